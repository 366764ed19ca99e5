/** What a product's machines do. */
import type { GuestProgram } from '../engine/compute/port.ts';

/**
 * A role of machines. Its program brings a machine that runs to what the product desires of it: it is run at each change
 * of that, and after each boot, until it has answered; so it starts what is to run.
 */
export interface MachineRole<Desired extends object = never, Observed extends object = object> {
  /** The golden image that its machines are copies of. */
  image: string;
  converge: GuestProgram<Desired, Observed>;
}

/** By their names, of all products. */
export type MachineRoles = Readonly<Record<string, MachineRole>>;
