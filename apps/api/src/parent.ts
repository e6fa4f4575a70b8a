/** The process that started this one, if it keeps a channel to it as the demo does. */

/** Closing may wait for a Redis that has gone with the parent. */
const CLOSE_MS = 5_000;

export function tellParent(message: { ready: true; url: string }): void {
  // A parent that has gone is not interested.
  process.send?.(message, undefined, undefined, () => undefined);
}

/** The channel is closed when the parent ends, however it ends. */
export function endWithParent(): void {
  const end = (): void => {
    setTimeout(() => process.exit(1), CLOSE_MS).unref();
    process.kill(process.pid, 'SIGTERM'); // closes the app if it has started already
  };
  process.once('disconnect', end);
  // It may have ended before this program was loaded; without a parent this is undefined.
  if ((process.connected as boolean | undefined) === false) end();
}
