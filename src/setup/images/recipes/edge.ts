/** What load balancers are made of: HAProxy of trixie, the first with HTTP/3, and nftables for UDP. */
import type { RecipeData } from '../recipe-data.ts';
import { words } from '../words.ts';
import { machineExcluded, machineFiles, machineMasks, machinePackages } from './machine.ts';

export const edge: RecipeData = {
  name: 'edge',
  version: '13',
  codename: 'trixie',
  packages: [...machinePackages, ...words('haproxy socat nftables conntrack')],
  files: machineFiles,
  appended: [],
  enable: ['haproxy.service'],
  mask: machineMasks,
  excluded: machineExcluded,
};
