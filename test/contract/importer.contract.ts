import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Importer, Unimportable } from '../../src/engine/importer/port.ts';

export interface ImporterUnderTest {
  importer: Importer;
  /** Where an image with an operating system is, and where one is that cannot be imported. */
  good: string;
  bad: string;
  /** The names of the images that the compute engine has taken in. */
  images(): Promise<string[]>;
  end(): Promise<void>;
}

const limits = { maxBytes: 256 * 1024 ** 2, timeoutMs: 120_000 };
const never = new AbortController().signal;

/** What every implementation of the importer port does. */
export function importerContract(name: string, make: () => Promise<ImporterUnderTest>): void {
  describe(`importer port: ${name}`, () => {
    let made: ImporterUnderTest;
    beforeAll(async () => {
      made = await make();
    });
    afterAll(() => made.end());

    it('gives the compute engine an image under the name, and says what it takes', async () => {
      const imported = await made.importer.import(made.good, { name: 'custom-1', signal: never, limits });
      expect(imported.minDiskGib).toBeGreaterThanOrEqual(1);
      expect(Number.isInteger(imported.minDiskGib)).toBe(true);
      expect(imported.bytes).toBeGreaterThan(0);
      expect(await made.images()).toContain('custom-1');
    });

    it('does it again', async () => {
      await made.importer.import(made.good, { name: 'custom-1', signal: never, limits });
      expect(await made.images()).toContain('custom-1');
    });

    it('says for good what cannot be imported', async () => {
      const refused = made.importer.import(made.bad, { name: 'custom-2', signal: never, limits });
      await expect(refused).rejects.toThrow(Unimportable);
      expect(await made.images()).not.toContain('custom-2');
    });

    it('ends when it is told to', async () => {
      const options = { name: 'custom-3', signal: AbortSignal.abort(), limits };
      await expect(made.importer.import(made.good, options)).rejects.not.toThrow(Unimportable);
      expect(await made.images()).not.toContain('custom-3');
    });
  });
}
