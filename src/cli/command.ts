import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O; allowPositionals: true }>
>['values'];

/** A command as `main.ts` calls it; answers the exit code. */
export interface Command {
  help: string;
  run(argv: string[]): Promise<number>;
}

interface Input<O extends Options> {
  home: string;
  values: Values<O>;
  positionals: string[];
}

/** What a person typed is wrong: shown without further ado, exit code 2. */
export function usageError(message: string): Error {
  return Object.assign(new Error(message), { exitCode: 2 });
}

/** The exit code that an error asks for. */
export function exitCodeOf(error: unknown): number {
  const { exitCode, code } = error as { exitCode?: unknown; code?: unknown };
  if (typeof exitCode === 'number') return exitCode;
  return String(code).startsWith('ERR_PARSE_ARGS') ? 2 : 1;
}

/** A unix socket's path may have 107 bytes, and the longest of ours needs 27 below the home. */
const longestHome = 80;

/** The state directory: --home, ATOLL_HOME, or the default of this user. */
export function resolveHome(option: string | undefined): string {
  const standard = process.getuid?.() === 0 ? '/var/lib/atoll' : join(homedir(), '.atoll');
  const home = resolve(option ?? (process.env.ATOLL_HOME || standard));
  if (Buffer.byteLength(home) > longestHome) {
    throw usageError(`${home}: the path of a home may have ${longestHome} bytes (unix sockets lie under it)`);
  }
  return home;
}

/** How to type a command for this home: `./atoll env`, or with --home where that is not the default. */
export function commandFor(home: string, command: string): string {
  return home === resolveHome(undefined) ? `./atoll ${command}` : `./atoll ${command} --home ${home}`;
}

/**
 * Defines a command: its options (besides --home and --help, which all have), how many arguments it takes, and
 * what it does.
 */
export function defineCommand<const O extends Options>(definition: {
  help: string;
  options?: O;
  maxPositionals?: number;
  run(input: Input<O>): Promise<number | void>;
}): Command {
  const common = { home: { type: 'string' }, help: { type: 'boolean', short: 'h' } } as const;
  const help = `${definition.help.trim()}\n  --home DIR  where this Atoll keeps its state (or ATOLL_HOME)\n`;
  return {
    help,
    async run(argv) {
      const options = { ...definition.options, ...common } as Options;
      const { values, positionals } = parseArgs({ args: argv, options, allowPositionals: true });
      if (values.help) {
        process.stdout.write(help);
        return 0;
      }
      const surplus = positionals[definition.maxPositionals ?? 0];
      if (surplus !== undefined) throw usageError(`unexpected argument: ${surplus}`);
      const home = resolveHome(values.home as string | undefined);
      return (await definition.run({ home, values: values as Values<O>, positionals })) ?? 0;
    },
  };
}
