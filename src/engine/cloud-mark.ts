/** Whose an engine is: the id of the cloud whose database knows what is in it, and since when. */
export interface CloudMark {
  /** The `id` of the database's one row in `cloud`, a uuid. */
  cloud: string;
  /** When the engine was given the mark, in ISO 8601. */
  since: string;
}

/** A mark as one line of text. */
export const markText = ({ cloud, since }: CloudMark): string => `${cloud} ${since}`;

/** The mark that a text is; undefined where it is none. */
export function parseMark(text: string | undefined): CloudMark | undefined {
  const [, cloud, since] = /^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}) (\S+)\s*$/.exec(text ?? '') ?? [];
  return cloud && since ? { cloud, since } : undefined;
}
