import { holdNumbered } from '../tags/index.ts';

/** The team's own images among these ids, for tagging them. Public images carry no tags. */
export const imageTaggable = holdNumbered('images');
