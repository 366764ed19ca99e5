import { type Command, exitCodeOf, usageError } from './command.ts';

/** Every command: what it is for, and where it is; loaded only when it is called. */
const commands: Record<string, { summary: string; load: () => Promise<{ default: Command }> }> = {
  up: { summary: 'start this Atoll; brings what the machine lacks', load: () => import('./up.ts') },
  try: { summary: 'up, then order a droplet and log in to it', load: () => import('./try.ts') },
  env: { summary: 'print the exports for doctl, Terraform and others', load: () => import('./env.ts') },
  status: { summary: 'what runs, where, and how it is', load: () => import('./status.ts') },
  logs: { summary: "show a process's log", load: () => import('./logs.ts') },
  token: { summary: 'create, list and revoke API tokens', load: () => import('./token.ts') },
  image: {
    summary: 'add, list and remove public images of this host',
    load: () => import('./image.ts'),
  },
  down: { summary: 'stop this Atoll; droplets keep running', load: () => import('./down.ts') },
  destroy: { summary: 'remove this Atoll and all that it made', load: () => import('./destroy.ts') },
  doctor: { summary: 'what this machine can and cannot do', load: () => import('./doctor.ts') },
  orphans: {
    summary: 'what the engines hold and the database does not know',
    load: () => import('./orphans.ts'),
  },
  machines: {
    summary: "products' machines, which are no droplets",
    load: () => import('./machines.ts'),
  },
  secrets: {
    summary: 'the keys that secrets are sealed with; rotate them',
    load: () => import('./secrets.ts'),
  },
  test: { summary: 'run the whole test suite', load: () => import('./test.ts') },
};

function overview(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return `Atoll: a developer cloud of one's own that speaks the DigitalOcean API v2

Usage: atoll COMMAND [options]

${lines.join('\n')}

atoll COMMAND --help tells more about one.
`;
}

async function main(argv: string[]): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (['help', '--help', '-h'].includes(name)) {
    const topic = rest[0];
    process.stdout.write(topic && commands[topic] ? (await commands[topic].load()).default.help : overview());
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (!command) throw usageError(`there is no command ${name}; atoll help lists them`);
  return await (await command.load()).default.run(rest);
}

// What is made for other users of this machine to traverse must not depend on the caller's mask; what is private
// says so itself.
process.umask(0o022);
process.stdout.on('error', () => process.exit(1));
try {
  // Ends here, whatever idle connection is still open; standard output is written synchronously.
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  console.error(
    process.env.ATOLL_DEBUG ? error : `atoll: ${error instanceof Error ? error.message : String(error)}`,
  );
  if (exitCodeOf(error) === 2) console.error('Try: atoll help');
  process.exit(exitCodeOf(error));
}
