/** The pages for people, and what is written in their blocks of code. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const root = join(import.meta.dirname, '../..');

export interface Block {
  language: string;
  /** What stands behind the language: `real` needs real machines, `no-run` is not for a test, `atoll` is the CLI. */
  info: string;
  /** The heading it stands below. */
  heading: string;
  text: string;
}

export interface Page {
  /** From the root of the repository: `docs/storage.md`. */
  file: string;
  text: string;
  blocks: Block[];
}

/** Every page of docs/, and those at the root. */
export function readPages(): Page[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' });
  return [...readdirSync(root), ...docs.map((file) => join('docs', file))]
    .filter((file) => file.endsWith('.md'))
    .sort()
    .map((file) => {
      const text = readFileSync(join(root, file), 'utf8');
      return { file, text, blocks: blocksOf(text) };
    });
}

/** The fenced blocks of a page, in its order. */
export function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let heading = '';
  let open: Block | undefined;
  for (const line of text.split('\n')) {
    const [, language, info = ''] = /^```(\w*) ?(.*)$/.exec(line) ?? [];
    if (open && line === '```') {
      blocks.push(open);
      open = undefined;
    } else if (open) open.text += `${line}\n`;
    else if (language !== undefined) open = { language, info, heading, text: '' };
    else if (line.startsWith('#')) heading = line.replace(/^#+ /, '');
  }
  return blocks;
}

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

const anchorsOf = (text: string): string[] =>
  [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    anchorOf(heading),
  );

/** The links of a page that lead nowhere: to no file, or to no heading of it. */
export function brokenLinks({ file, text }: Page): string[] {
  const links = [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/\]\(([^)\s]+)\)/g)];
  return links
    .map(([, link = '']) => link)
    .filter((link) => !/^[a-z]+:/.test(link))
    .filter((link) => {
      const [path = '', anchor] = link.split('#');
      const target = path === '' ? join(root, file) : resolve(root, dirname(file), path);
      if (path !== '' && !existsSync(target)) return true;
      const there = path === '' ? text : target.endsWith('.md') ? readFileSync(target, 'utf8') : '';
      return anchor !== undefined && !anchorsOf(there).includes(anchor);
    });
}

/** The pages that no other page links to. */
export function unlinked(pages: readonly Page[]): string[] {
  const linked = new Set(
    pages.flatMap(({ file, text }) =>
      [...text.matchAll(/\]\(([^)#\s]+)/g)].map(([, link = '']) =>
        relative(root, resolve(root, dirname(file), link)),
      ),
    ),
  );
  return pages
    .map(({ file }) => file)
    .filter((file) => file.startsWith('docs/') && file !== 'docs/README.md' && !linked.has(file));
}

/** Each call of the CLI that a page writes down, with its options. */
export function cliCalls(text: string): { command: string; options: string[]; call: string }[] {
  return [...text.matchAll(/\.\/atoll ([a-z]+)([^`\n|#&;)"]*)/g)].map(([call, command = '', rest = '']) => ({
    command,
    options: rest.match(/(?<![\w-])--[a-z][a-z0-9-]*/g) ?? [],
    call,
  }));
}
