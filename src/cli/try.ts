import { randomBytes } from 'node:crypto';
import { bringAhead } from './bring-ahead.ts';
import { bringUp } from './bring-up.ts';
import { commandFor, defineCommand } from './command.ts';
import { openApi } from './endpoint.ts';
import { withHomeLock } from './home-lock.ts';
import { createSteps } from './steps.ts';
import { createTimeline, formatTimeline } from './timeline.ts';
import { completedAction, createDroplet, droplet, ensureAccountKey, publicAddress } from './try-api.ts';
import { ensureTryKey, runOverSsh, sshBanner, sshLine } from './try-ssh.ts';
import { toUpOptions, upOptions, upOptionsHelp } from './up-options.ts';

const image = 'debian-12-x64';
const region = 'nyc3';
const size = 's-1vcpu-1gb';
/** Written by the user data, read over SSH. */
const proofFile = '/root/atoll-try';

export default defineCommand({
  help: `
Usage: atoll try [options of up]

Does up, then orders a droplet through the public API, follows its action, logs in by SSH and reads what its user
data wrote. The droplet stays.
${upOptionsHelp}
`,
  options: upOptions,
  async run({ home, values }) {
    const steps = createSteps(process.stdout);
    const running = await withHomeLock(home, () => bringUp(home, toUpOptions(values), steps));
    const { config } = running;
    await bringAhead(home, running, steps);
    const api = openApi(home);
    const key = await ensureTryKey(home);
    const keyId = await ensureAccountKey(api, key.publicKey);
    const word = randomBytes(8).toString('hex');
    const name = `try-${word.slice(0, 6)}`;
    const userData = `#!/bin/sh\necho ${word} > ${proofFile}\n`;

    console.log(`\nPOST ${api.url}/v2/droplets: ${name}, ${size}, ${image}, ${region}`);
    const timeline = createTimeline();
    const order = { name, region, size, image, ssh_keys: [keyId], user_data: userData, tags: ['atoll-try'] };
    const created = await createDroplet(api, order);
    timeline.mark('POST accepted');
    await completedAction(api, created.actionId);
    timeline.mark('running (action completed)');
    const address = publicAddress(await droplet(api, created.id));

    if (config.mode === 'simulated') {
      console.log(`${formatTimeline(timeline.entries)}

Droplet ${created.id} is active at ${address}, in the simulated mode: the API, its database and its control loop are
the real ones, and so is what you saw of the action; there is no machine behind it that could answer on SSH.
Look at it: curl -H "Authorization: Bearer $DIGITALOCEAN_TOKEN" ${api.url}/v2/droplets/${created.id}
  (after: eval "$(${commandFor(home, 'env')})")
`);
      return;
    }

    await sshBanner(address);
    timeline.mark('sshd answers');
    const answer = await runOverSsh(
      key.file,
      address,
      `until [ -e /run/cloud-init/result.json ]; do sleep 0.05; done; cat ${proofFile}`,
    );
    timeline.mark('cloud-init done');
    if (answer.trim() !== word) {
      throw new Error(
        `${proofFile} on the droplet should hold ${word} but holds: ${answer.trim() || '(nothing)'}`,
      );
    }
    console.log(`${formatTimeline(timeline.entries)}

The user data ran: ${proofFile} holds ${word}. Droplet ${created.id} stays; log in to it by:

  ${sshLine(key.file, address)}

Delete it: curl -X DELETE -H "Authorization: Bearer $DIGITALOCEAN_TOKEN" ${api.url}/v2/droplets/${created.id}
  (after: eval "$(${commandFor(home, 'env')})")
`);
  },
});
