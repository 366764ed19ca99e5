/** What of a machine is secret: what its program is told, and its first files. Sealed in the database, opened for a step. */
import type { GuestFile } from '../../engine/compute/port.ts';
import type { Secrets } from '../../store/secrets.ts';
import type { MachineRow } from './row.ts';

export interface SealedParts {
  secrets: Secrets;
}

type Identified = Pick<MachineRow, 'id'>;

const filesOf = ({ id }: Identified) => `machines.files:${id}`;
const desiredOf = ({ id }: Identified) => `machines.desired:${id}`;

export const sealFiles = ({ secrets }: SealedParts, row: Identified, files: readonly GuestFile[]): string =>
  secrets.seal(JSON.stringify(files), filesOf(row));

export const sealDesired = ({ secrets }: SealedParts, row: Identified, desired: object): string =>
  secrets.seal(JSON.stringify(desired), desiredOf(row));

export const openFiles = (
  { secrets }: SealedParts,
  row: Identified & Pick<MachineRow, 'files'>,
): GuestFile[] =>
  row.files === null ? [] : (JSON.parse(secrets.open(row.files, filesOf(row))) as GuestFile[]);

export const openDesired = (
  { secrets }: SealedParts,
  row: Identified & Pick<MachineRow, 'desired'>,
): object => (row.desired === null ? {} : (JSON.parse(secrets.open(row.desired, desiredOf(row))) as object));
