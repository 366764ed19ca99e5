/** Public images of the operator's own, from the launcher down, in a simulated Atoll. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { atollCli, mustAtoll } from '../support/cli.ts';
import { freePort } from '../support/real-atoll.ts';
import { remoteClient } from '../support/remote-client.ts';

it('a new slug can be ordered at once, is listed with its droplets, and can be removed', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'at-image-'));
  const home = join(directory, 'home');
  const atoll = mustAtoll(home);
  try {
    await atoll('up', '--simulated', '--port', String(await freePort()));
    const api = remoteClient(await atoll('env'));
    const order = { name: 'web-1', region: 'nyc3', size: 's-1vcpu-1gb', image: 'golden-1' };
    await api.expect(422, 'POST', '/v2/droplets', order);
    expect(await atoll('image', 'add', 'golden-1', '--distribution', 'Ubuntu')).toContain(
      'golden-1 can be ordered.',
    );
    const { droplet } = await api.expect(202, 'POST', '/v2/droplets', order);
    expect(droplet.image).toMatchObject({ slug: 'golden-1', distribution: 'Ubuntu' });
    // Again: it is replaced.
    await atoll('image', 'add', 'golden-1', '--distribution', 'Debian', '--name', 'Golden');
    expect(JSON.parse(await atoll('image', 'list', '--json'))).toMatchObject([
      { slug: 'golden-1', id: droplet.image.id, distribution: 'Debian', name: 'Golden', droplets: 1 },
    ]);
    expect(await atoll('image', 'list')).toMatch(/^golden-1 .* simulated +- .* 1$/m);
    await atoll('image', 'remove', 'golden-1');
    await api.expect(422, 'POST', '/v2/droplets', order);
    await api.expect(200, 'GET', `/v2/droplets/${droplet.id}`);
    expect(await atollCli(home)('image', 'remove', 'golden-1')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('golden-1 was not added'),
    });
    expect(await atollCli(home)('image', 'add', 'golden-1', '--suite', 'sid')).toMatchObject({ code: 2 });
  } finally {
    await atollCli(home)('destroy', '--yes', '--keep-cache');
    rmSync(directory, { recursive: true, force: true });
  }
});
