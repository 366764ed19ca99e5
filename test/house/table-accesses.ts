/** Which tables a text of TypeScript reads and writes, by Kysely or in SQL of its own. */

export interface Access {
  /** As the text has it; `computed` where it is no literal. */
  table: string;
  kind: 'read' | 'write';
  /** Where in the text. */
  at: number;
}

export const computed = '(computed)';

/** A table's name in Kysely: a literal, an alias left out, or something else, which is computed. */
const named = String.raw`\(\s*(?:\[\s*)?(?:(?<quote>['"\x60])(?<table>\w+)(?:\s+as\s+\w+)?\k<quote>|(?<other>[^'"\x60\s]))`;
/** A table's name in SQL, also quoted or with its schema. `other`: what stands there where it is computed. */
const inSql = (other: string) =>
  String.raw`(?:only\s+)?(?:"?public"?\s*\.\s*)?(?:"?(?<table>[a-z_]\w*)"?|(?<other>${other}))`;
const written = inSql(String.raw`\$\{[^}]*\}|['"\x60]\s*\+`);
/** What else is put in where a table is read is a query, mostly. */
const readInSql = inSql(String.raw`\$\{\s*sql\.table\(`);
const alias = String.raw`(?:\s+(?:as\s+)?\w+)?`;

const writes = [
  new RegExp(String.raw`\.(?:insertInto|updateTable|deleteFrom|mergeInto|replaceInto)\s*${named}`, 'g'),
  new RegExp(
    String.raw`\b(?:insert\s+into|delete\s+from|merge\s+into|truncate(?:\s+table)?)\s+${written}`,
    'gi',
  ),
  new RegExp(String.raw`\bupdate\s+${written}${alias}\s+set\b`, 'gi'),
];

const reads = [
  new RegExp(String.raw`\.(?:selectFrom|\w+Join|using)\s*${named}`, 'g'),
  new RegExp(String.raw`(?<!\bdelete\s+)\bfrom\s+${readInSql}`, 'gi'),
  new RegExp(String.raw`\b(?:join|using|lock\s+table)\s+${readInSql}`, 'gi'),
  // The others of a list: `from droplets d, volumes v`.
  new RegExp(String.raw`(?<=\bfrom\s+\w+${alias}(?:\s*,\s*\w+${alias})*\s*,\s*)(?<table>[a-z_]\w*)`, 'gi'),
];

/**
 * All that a text reads and writes, in its order. Names are as they stand there: those of common table expressions and
 * functions are among what is read.
 */
export function accessesOf(text: string): Access[] {
  const code = withoutComments(text);
  const found = (patterns: RegExp[], kind: Access['kind']) =>
    patterns.flatMap((pattern) =>
      [...code.matchAll(pattern)].map(({ index, groups }) => ({
        table: groups?.table?.toLowerCase() ?? computed,
        kind,
        at: index,
      })),
    );
  return [...found(writes, 'write'), ...found(reads, 'read')].sort((one, other) => one.at - other.at);
}

/** What may stand before a regular expression; after anything else a slash divides. */
const beforeRegExp = /(?:^|[(,=:[!&|?{};]|=>|\breturn)\s*$/;
const regExp = /\/(?![/*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\[\n])+\//y;
const quoted = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/y;
const comment = /\/\/[^\n]*|\/\*[\s\S]*?\*\//y;
const sqlComment = /--[^\n`]*/y;

/** The text with blanks in place of comments and regular expressions: TypeScript's, and SQL's within templates. */
export function withoutComments(text: string): string {
  let result = '';
  /** What the place is within, innermost last: braces of code, and templates. */
  const within: ('{' | '`')[] = [];
  const take = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = result.length;
    return pattern.exec(text)?.[0];
  };
  const blank = (part: string) => part.replace(/[^\n]/g, ' ');
  while (result.length < text.length) {
    const character = text[result.length] ?? '';
    if (within.at(-1) === '`') {
      const note = take(sqlComment);
      if (note) result += blank(note);
      else if (character === '\\') result += text.slice(result.length, result.length + 2);
      else if (text.startsWith('${', result.length)) {
        within.push('{');
        result += '${';
      } else {
        if (character === '`') within.pop();
        result += character;
      }
      continue;
    }
    const skipped = take(comment) ?? (beforeRegExp.test(result.slice(-20)) ? take(regExp) : undefined);
    if (skipped) {
      result += blank(skipped);
      continue;
    }
    const string = take(quoted);
    if (character === '{' || character === '`') within.push(character);
    if (character === '}') within.pop();
    result += string ?? character;
  }
  return result;
}
