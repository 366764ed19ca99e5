import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compatibilityFile, renderDocument, seenIn, unseen } from './compatibility.ts';

/** How to mend what these tests find. */
const remedy = 'make it anew: see test/house/compatibility.generate.ts';

describe('docs/compatibility.md', () => {
  const text = readFileSync(compatibilityFile, 'utf8');
  const seen = seenIn(text);

  it('says of each operation whether it is built', () => {
    expect(text === renderDocument(seen), remedy).toBe(true);
  });

  it('names a test for each built operation, and the test is there', () => {
    expect(unseen(seen), remedy).toEqual([]);
    const files = new Set(Object.values(seen).flat());
    expect(
      [...files].filter((file) => !existsSync(file)),
      remedy,
    ).toEqual([]);
  });
});

it('what is in a document is read as it was written', () => {
  const seen = { droplets_get: ['test/a.test.ts', 'test/b.test.ts'], oauth_token_info: ['test/a.test.ts'] };
  expect(seenIn(renderDocument(seen))).toEqual(seen);
  expect(unseen(seen)).toContain('droplets_list');
  expect(unseen(seen)).not.toContain('droplets_get');
});
