/**
 * What database clusters are made of: PostgreSQL 17 of trixie and 15 of bookworm side by side, with their pooler and their
 * backups, and Valkey. Nothing starts by itself: a node that was taken out of service must not serve when it boots.
 */
import type { RecipeData } from '../recipe-data.ts';
import { words } from '../words.ts';
import { machineExcluded, machineFiles, machineMasks, machinePackages } from './machine.ts';

export const database: RecipeData = {
  name: 'database',
  version: '13',
  codename: 'trixie',
  packages: [
    ...machinePackages,
    ...words('locales postgresql-17 postgresql-15 pgbouncer pgbackrest valkey-server valkey-tools'),
  ],
  files: [...machineFiles, { path: '/etc/locale.gen', content: 'en_US.UTF-8 UTF-8\n', mode: 0o644 }],
  appended: [],
  enable: [],
  mask: [
    ...machineMasks,
    ...words(
      'postgresql.service pgbouncer.service pgbouncer.socket pgbackrest.service valkey-server.service',
    ),
  ],
  // A third of the image is LLVM, which PostgreSQL does without where it finds no JIT provider.
  excluded: [
    ...machineExcluded,
    ...words('/usr/lib/*/libLLVM* /usr/lib/postgresql/*/lib/llvmjit* /usr/lib/postgresql/*/lib/bitcode/*'),
  ],
  // Of these only what trixie does not have.
  alsoOf: [{ codename: 'bookworm', priority: 200 }],
  before: [
    {
      path: '/etc/postgresql-common/createcluster.conf',
      content: 'create_main_cluster = false\n',
      mode: 0o644,
    },
  ],
  run: [['locale-gen']],
};
