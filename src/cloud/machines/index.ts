/** Machines that serve a product, and are seen by nobody as droplets: a balancer's, a database's. */
import type { Product } from '../product.ts';
import { machineReconciler } from './reconcile.ts';
import { machineKind } from './row.ts';
import { machineEntryInventory, machineInventory } from './sweep.ts';
import { continueMachines } from './take-over.ts';

export type { MachineRole, MachineRoles } from '../machine-role.ts';
export {
  desire,
  type MachineDeps,
  type MachineOrder,
  orderMachine,
  removeMachine,
  resizeMachine,
  restartMachine,
  retryMachine,
  setPower,
} from './commands.ts';
export { machineName, machineUrn } from './row.ts';
export { productEntryKind, productMachineKind } from './sweep.ts';
export { raiseMachineVersions } from './take-over.ts';
export { keptMachineConsole, listMachines, type Machine, machinesOf } from './view.ts';

export const product: Product = {
  reconcilers: (deps) => [machineReconciler(deps)],
  inventories: (deps) => [machineInventory(deps), machineEntryInventory(deps)],
  watched: { machine: machineKind },
  takeOver: continueMachines,
};
