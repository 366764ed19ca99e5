import { Type } from 'typebox';
import { notFound } from '../../http/errors.ts';
import { listOperation } from '../../http/list.ts';
import { type Operation, operation } from '../../http/operation.ts';
import { selectPage } from '../../store/page.ts';
import { createKey, deleteKey, type KeysDeps, renameKey } from './commands.ts';
import { findKey, type SshKey } from './queries.ts';
import { SshKeyCreate, SshKeySchema, SshKeyUpdate } from './schema.ts';

const path = '/v2/account/keys';
const params = Type.Object({
  ssh_key_identifier: Type.String({ description: 'The id or the MD5 fingerprint of the key.' }),
});
const OneKey = Type.Object({ ssh_key: SshKeySchema });

const keyView = ({ id, fingerprint, public_key, name }: SshKey) => ({ id, fingerprint, public_key, name });

/** The SSH keys of the account: list, create, get, rename, delete. */
export function keysOperations(deps: KeysDeps): Operation[] {
  const { store } = deps;
  return [
    listOperation({
      id: 'sshKeys_list',
      path,
      summary: 'List all SSH keys',
      scopes: ['ssh_key:read'],
      key: 'ssh_keys',
      item: SshKeySchema,
      list({ caller }, page) {
        const ofTeam = store.db.selectFrom('ssh_keys').selectAll().where('team_id', '=', caller.teamId);
        return selectPage(ofTeam.orderBy('id'), page);
      },
      view: keyView,
    }),
    operation({
      id: 'sshKeys_create',
      method: 'POST',
      path,
      summary: 'Add an SSH key',
      scopes: ['ssh_key:create'],
      body: SshKeyCreate,
      status: 201,
      response: OneKey,
      handler: async (request) => ({ ssh_key: keyView(await createKey(deps, request, request.body)) }),
    }),
    operation({
      id: 'sshKeys_get',
      method: 'GET',
      path: `${path}/{ssh_key_identifier}`,
      summary: 'Get an SSH key',
      scopes: ['ssh_key:read'],
      params,
      status: 200,
      response: OneKey,
      async handler(request) {
        const key = await findKey(store.db, request.caller.teamId, request.params.ssh_key_identifier);
        if (!key) throw notFound();
        return { ssh_key: keyView(key) };
      },
    }),
    operation({
      id: 'sshKeys_update',
      method: 'PUT',
      path: `${path}/{ssh_key_identifier}`,
      summary: 'Rename an SSH key',
      scopes: ['ssh_key:update'],
      params,
      body: SshKeyUpdate,
      status: 200,
      response: OneKey,
      async handler(request) {
        const key = await renameKey(deps, request, request.params.ssh_key_identifier, request.body.name);
        return { ssh_key: keyView(key) };
      },
    }),
    operation({
      id: 'sshKeys_delete',
      method: 'DELETE',
      path: `${path}/{ssh_key_identifier}`,
      summary: 'Delete an SSH key',
      scopes: ['ssh_key:delete'],
      params,
      status: 204,
      handler: (request) => deleteKey(deps, request, request.params.ssh_key_identifier),
    }),
  ];
}
