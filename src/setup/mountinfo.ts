/** A path as it is, of one in a mountinfo file, where blanks and backslashes are octal numbers (proc_pid_mountinfo(5)). */
export const unescapePath = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
