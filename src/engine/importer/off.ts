import { type Importer, Unimportable } from './port.ts';

/** Why nothing is imported where the operator has said so. */
export const importsAreOff = 'This Atoll imports no images: its operator has switched that off.';

/** The importer of an Atoll that imports nothing: also not what was asked for before. */
export const noImporter: Importer = {
  import: () => Promise.reject(new Unimportable(importsAreOff)),
};
