import { expect, test } from 'vitest';
import { engineImages } from './engine-images.ts';

test('what is known of the images follows the engine, and a late answer of an older look changes nothing', async () => {
  const answers: ((names: string[]) => void)[] = [];
  const images = engineImages({ images: () => new Promise((resolve) => answers.push(resolve)) });
  expect(images.names).toEqual([]);
  const [first, second] = [images.look(), images.look()];
  answers[1]?.(['debian-12', 'debian-13']);
  await second;
  expect(images.names).toEqual(['debian-12', 'debian-13']);
  answers[0]?.(['debian-12']);
  await first;
  expect(images.names).toEqual(['debian-12', 'debian-13']);
});

test('an engine that does not answer leaves what was known', async () => {
  let away = false;
  const images = engineImages({
    images: async () => {
      if (away) throw new Error('away');
      return ['debian-12'];
    },
  });
  await images.look();
  away = true;
  await expect(images.look()).rejects.toThrow('away');
  expect(images.names).toEqual(['debian-12']);
});
