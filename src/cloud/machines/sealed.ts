/** What of a machine is secret: what its program is told, and its first files. Sealed in the database, opened for a step. */
import type { GuestFile } from '../../engine/compute/port.ts';
import type { Secrets } from '../../store/secrets.ts';
import type { MachineRow } from './row.ts';

export interface SealedParts {
  secrets: Secrets;
}

const filesOf = (row: { owner: string; name: string }) => `machines.files:${row.owner}/${row.name}`;
const desiredOf = (row: { owner: string; name: string }) => `machines.desired:${row.owner}/${row.name}`;

type Named = Pick<MachineRow, 'owner' | 'name'>;

export const sealFiles = ({ secrets }: SealedParts, row: Named, files: readonly GuestFile[]): string =>
  secrets.seal(JSON.stringify(files), filesOf(row));

export const sealDesired = ({ secrets }: SealedParts, row: Named, desired: object): string =>
  secrets.seal(JSON.stringify(desired), desiredOf(row));

export const openFiles = ({ secrets }: SealedParts, row: Named & Pick<MachineRow, 'files'>): GuestFile[] =>
  row.files === null ? [] : (JSON.parse(secrets.open(row.files, filesOf(row))) as GuestFile[]);

export const openDesired = ({ secrets }: SealedParts, row: Named & Pick<MachineRow, 'desired'>): object =>
  row.desired === null ? {} : (JSON.parse(secrets.open(row.desired, desiredOf(row))) as object);
