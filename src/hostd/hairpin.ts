import { readFile, writeFile } from 'node:fs/promises';
import { run } from './exec.ts';

/**
 * Lets droplets reach themselves over their reserved addresses. Where br_netfilter is on, the bridge itself leads a
 * translated frame on, and does not send it back through the port that it came from unless that is told to. Ports
 * that the bridge has not learned yet (a droplet that is starting) are left for the next time.
 */
export async function allowHairpin(bridge: string, macs: Set<string>): Promise<void> {
  if (macs.size === 0 || !(await bridgeTranslates())) return;
  const output = await run('bridge', ['-json', 'fdb', 'show', 'br', bridge]);
  const entries: { mac: string; ifname: string }[] = JSON.parse(output || '[]');
  for (const { mac, ifname } of entries) {
    if (!macs.has(mac)) continue;
    // The droplet may have gone meanwhile.
    await writeFile(`/sys/class/net/${ifname}/brport/hairpin_mode`, '1').catch(() => {});
  }
}

/** Whether br_netfilter is on, for any family. */
async function bridgeTranslates(): Promise<boolean> {
  const settings = ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables'].map((name) =>
    readFile(`/proc/sys/net/bridge/${name}`, 'utf8').catch(() => '0'),
  );
  return (await Promise.all(settings)).some((value) => value.trim() !== '0');
}
