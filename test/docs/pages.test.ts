/** The pages for people are true: links lead somewhere, commands and options exist, and their lines do what they say. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Command } from '../../src/cli/command.ts';
import { type ListeningAtoll, listeningAtoll } from '../clients/listening.ts';
import { unless, whyNoProgram } from '../support/obstacles.ts';
import { builtOperations } from '../support/operations.ts';
import { publicKey } from '../support/ssh-key.ts';
import { doctlCalls, terraformOperations, terraformTypes } from './named-operations.ts';
import { type Block, brokenLinks, cliCalls, type Page, readPages, unlinked } from './pages.ts';

const run = promisify(execFile);
const pages = readPages();
const noJq = await whyNoProgram('jq', '--version');
const noDoctl = await whyNoProgram('doctl', 'version');
const built = new Set(builtOperations().map(({ id }) => id));

describe.each(pages)('$file', (page) => {
  it('has links that lead somewhere', () => expect(brokenLinks(page)).toEqual([]));

  it('writes down commands and options that there are', async () => {
    for (const { command, options, call } of cliCalls(page.text)) {
      const help = await helpOf(command);
      expect(help, call).toBeDefined();
      for (const option of options) expect(help, call).toMatch(new RegExp(`${option}(?![\\w-])`));
    }
  });

  it('has lines for doctl and Terraform whose operations are built', () => {
    for (const { language, text } of page.blocks) {
      const calls = language === 'sh' ? doctlCalls(text) : [];
      for (const { call, operations } of calls) {
        expect(operations, `${call}: add it to named-operations.ts`).toBeDefined();
        expect(operations?.filter((id) => !built.has(id))).toEqual([]);
      }
      for (const type of language === 'hcl' ? terraformTypes(text) : []) {
        expect(terraformOperations[type], `${type}: add it to named-operations.ts`).toBeDefined();
        expect(terraformOperations[type]?.filter((id) => !built.has(id))).toEqual([]);
      }
    }
  });
});

it('every page is linked to, and every command is told of', async () => {
  expect(unlinked(pages)).toEqual([]);
  const told = new Set(pages.flatMap(({ text }) => cliCalls(text)).map(({ command }) => command));
  const help = (await run('./atoll', ['help'])).stdout;
  const commands = [...help.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name);
  expect(commands).toContain('up');
  expect(commands.filter((name) => name !== undefined && !told.has(name))).toEqual([]);
});

it.each<[what: string, page: string, problem: string[]]>([
  ['a file', '[there](no-such.md)', ['no-such.md']],
  ['a heading', '# A heading\n[there](#another)', ['#another']],
  ['nothing, for what is not a link', '# A heading\n[there](#a-heading)\n```sh\n[x](y)\n```', []],
])('a link is missed that leads to %s', (_what, text, problem) => {
  expect(brokenLinks({ file: 'docs/x.md', text, blocks: [] })).toEqual(problem);
});

describe('lines of the pages, run from top to bottom', unless(noJq), () => {
  let listening: ListeningAtoll;
  let home: string;
  beforeAll(async () => {
    listening = await listeningAtoll();
    home = mkdtempSync(join(tmpdir(), 'at-docs-'));
    mkdirSync(join(home, '.ssh'));
    writeFileSync(join(home, '.ssh/id_ed25519.pub'), `${publicKey()}\n`);
  });
  afterAll(async () => {
    rmSync(home, { recursive: true, force: true });
    await listening?.close();
  });

  const bash = (blocks: Block[]) =>
    run('bash', ['-euo', 'pipefail', '-c', [apiFunction(), ...blocks.map(({ text }) => text)].join('\n')], {
      env: {
        PATH: process.env.PATH,
        HOME: home,
        DIGITALOCEAN_API_URL: listening.origin,
        DIGITALOCEAN_TOKEN: listening.token,
        DIGITALOCEAN_ACCESS_TOKEN: listening.token,
      },
    });
  const linesOf = (page: Page) =>
    page.blocks.filter(({ language, info }) => language === 'sh' && info === '');
  const byCurl = ({ heading }: Block) => heading === 'With curl';

  /** What is left of things that a page has made. */
  async function left(): Promise<unknown[]> {
    const lists = ['droplets', 'volumes', 'snapshots', 'reserved_ips', 'images?private=true', 'account/keys'];
    const answers = await Promise.all(lists.map((list) => listening.atoll.api.call('GET', `/v2/${list}`)));
    return answers.flatMap(({ body }) =>
      Object.values(body as object)
        .filter(Array.isArray)
        .flat(),
    );
  }

  const products = pages.filter(({ blocks }) => blocks.some(byCurl));
  it('every product has some', () => {
    const missing = readdirSync('docs/products').filter(
      (file) => !products.some((page) => page.file.endsWith(`/${file}`)),
    );
    expect(missing).toEqual([]);
  });

  it.each(products)('with curl: $file', async (page) => {
    await bash(linesOf(page).filter(byCurl));
    await expect.poll(left, { timeout: 10_000 }).toEqual([]);
  });

  it.each(products)('with doctl: $file', unless(noDoctl), async (page) => {
    await bash(linesOf(page).filter((block) => !byCurl(block)));
    await expect.poll(left, { timeout: 10_000 }).toEqual([]);
  });
});

/** The function that the pages call `api`, as one of them defines it. */
function apiFunction(): string {
  const found = pages.flatMap(({ blocks }) => blocks).find(({ text }) => text.includes('\napi() {'));
  return found?.text.replace(/^api (GET|POST).*$/gm, '') ?? '';
}

async function helpOf(command: string): Promise<string | undefined> {
  const file = `../../src/cli/${command}.ts`;
  const module = (await import(file).catch(() => ({}))) as { default?: Command };
  return module.default?.help;
}
