import { holdNumbered } from '../tags/index.ts';

/** The team's droplets among these ids, for tagging them. */
export const dropletTaggable = holdNumbered('droplets');
