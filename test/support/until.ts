/**
 * Waits until a condition of the outside world holds (a process, a socket, a database): looks every
 * `intervalMs` and throws after `deadlineMs`, which only a failure waits for: long enough for a busy machine.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 60_000,
  what = condition.toString(),
  intervalMs = 5,
): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`this did not come true within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
