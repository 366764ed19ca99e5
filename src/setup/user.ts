import { accessSync, chmodSync, chownSync, constants, mkdirSync, readFileSync } from 'node:fs';
import { CommandError, run } from './command.ts';
import { inView, type Shown, type View, viewOf } from './view.ts';

/** An operating system user that processes run as. */
export interface User {
  name: string;
  uid: number;
  gid: number;
  /** What its processes are shown though it could not reach it. */
  view?: View;
}

const userName = 'atoll';
/** Tells our user from another one of the same name. */
const userComment = 'Atoll control plane';

/** Reads a user from the text of /etc/passwd. */
export function parsePasswd(text: string, name: string): (User & { comment: string }) | undefined {
  for (const line of text.split('\n')) {
    const [entryName, , uid, gid, comment = ''] = line.split(':');
    if (entryName === name && uid && gid) return { name, uid: Number(uid), gid: Number(gid), comment };
  }
  return undefined;
}

/**
 * The user that the control plane and our PostgreSQL run as: `atoll`, made where it is absent, when this process
 * is root; undefined, for "as this process", otherwise.
 */
export async function ensureUser(): Promise<{ user: User | undefined; changed: boolean }> {
  if (process.getuid?.() !== 0) return { user: undefined, changed: false };
  const existing = serviceUser();
  if (existing) return { user: existing, changed: false };
  const options = ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent'];
  await run('useradd', [...options, '--shell', '/usr/sbin/nologin', '--comment', userComment, userName]);
  const user = serviceUser();
  if (!user)
    throw new Error(`useradd made no user ${userName} in /etc/passwd; make one by hand and try again`);
  return { user, changed: true };
}

/** The user `atoll`, where it is there already and this process is root. */
export function serviceUser(): User | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const entry = parsePasswd(readFileSync('/etc/passwd', 'utf8'), userName);
  return entry && { name: entry.name, uid: entry.uid, gid: entry.gid };
}

/** Deletes the user, if `ensureUser` made it and nothing runs as it. Answers what became of it. */
export async function removeUser(): Promise<'deleted' | 'absent' | 'kept'> {
  const entry = parsePasswd(readFileSync('/etc/passwd', 'utf8'), userName);
  if (!entry) return 'absent';
  if (entry.comment !== userComment) return 'kept';
  try {
    await run('userdel', [userName]);
    return 'deleted';
  } catch (error) {
    // userdel(8): 8 is "user currently logged in", which it says of any running process, too.
    if (error instanceof CommandError && error.exitCode === 8) return 'kept';
    throw error;
  }
}

/**
 * The command line that runs `command` as `user`, without a way back to more privileges, in its view; unchanged without
 * one.
 */
export function asUser(user: User | undefined, command: string[]): string[] {
  if (!user) return command;
  const identity = ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'];
  const asThem = ['setpriv', ...identity, '--inh-caps=-all', '--no-new-privs', '--', ...command];
  return user.view ? inView(user.view, asThem) : asThem;
}

/** The user, whose processes are shown those of `directories` that it could not reach. */
export async function showing(user: User, directories: Shown[]): Promise<User> {
  const view = await viewOf(directories, (path) => canExecute(user, path));
  return view ? { ...user, view } : user;
}

/** Whether `user` (or this process, without one) may execute the file, or traverse the directory. */
export async function canExecute(user: User | undefined, path: string): Promise<boolean> {
  try {
    if (user) {
      const [file = '', ...args] = asUser(user, ['test', '-x', path]);
      await run(file, args);
    } else accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Makes a directory that only `user` can enter. */
export function privateDirectory(directory: string, user: User | undefined): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  chmodSync(directory, 0o700);
  if (user) chownSync(directory, user.uid, user.gid);
}
