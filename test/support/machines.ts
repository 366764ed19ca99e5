/** Machines of a product that does not exist: they keep a word, and say that they do. */
import { sql } from 'kysely';
import type { MachineRole, MachineRoles } from '../../src/cloud/machines/index.ts';
import { type MachineDeps, type MachineOrder, orderMachine } from '../../src/cloud/machines/index.ts';
import type { GuestFile } from '../../src/engine/compute/port.ts';
import type { TestAtoll } from './atoll.ts';
import { simulatedContext } from './simulated-context.ts';

export interface Word {
  word: string;
}

export interface Kept {
  kept: string;
  /** How often it was told. */
  times: number;
}

const path = '/opt/atoll/keep';

/** The role, and its program for a machine whose image does not have it. */
export const keeper: MachineRole<Word, Kept> = {
  image: 'debian-12',
  converge: {
    path,
    timeoutMs: 10_000,
    parse(printed) {
      const { kept, times } = printed as Partial<Kept>;
      if (typeof kept !== 'string' || typeof times !== 'number')
        throw new Error('it does not say what it keeps');
      return { kept, times };
    },
    simulate({ word }, remembered) {
      const times = ((remembered as Kept | undefined)?.times ?? 0) + 1;
      return { output: { kept: word, times }, remembered: { kept: word, times } };
    },
  },
};

export const keeperProgram: GuestFile = {
  path,
  mode: 0o755,
  content: `#!/bin/sh
read -r input
word=\${input#*:\\"}
word=\${word%\\"*}
times=0
[ ! -e /opt/atoll/times ] || read -r times < /opt/atoll/times
times=$((times + 1))
echo $times > /opt/atoll/times
echo "{\\"kept\\":\\"$word\\",\\"times\\":$times}"
`,
};

export const machineRoles = { keeper } as unknown as MachineRoles;

/** What `orderMachine` and its like need of a test's Atoll. */
export const machineDeps = ({ database, keys }: TestAtoll, context = simulatedContext): MachineDeps => ({
  store: database.store,
  secrets: keys.secrets,
  context,
});

/** Orders a machine of nobody's, with a public address; answers its id. */
export async function orderKeeper(
  atoll: TestAtoll,
  word: string,
  change: Partial<MachineOrder> = {},
  context = simulatedContext,
): Promise<number> {
  const { id } = await atoll.database.store.transaction(async (tx) =>
    orderMachine(tx, machineDeps(atoll, context), {
      teamId: atoll.team.teamId,
      owner: { urn: 'do:keeper:1', kind: 'keeper', id: '1' },
      name: `node-${(await sql<{ n: number }>`select count(*) + 1 as n from machines`.execute(tx)).rows[0]?.n}`,
      role: 'keeper',
      image: keeper.image,
      region: 'nyc3',
      size: { vcpus: 1, memoryMib: 512, diskGib: 5 },
      public: 'dual',
      desired: { word },
      at: new Date(),
      ...change,
    }),
  );
  return id;
}
