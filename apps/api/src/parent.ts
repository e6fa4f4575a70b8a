/** The process that started this one, if it keeps a channel to it as the demo does. */

/** Closing may wait for a Redis that has gone with the parent. */
const CLOSE_MS = 5_000;

export function tellParent(message: { ready: true; url: string }): void {
  process.send?.(message);
}

/** The channel is closed when the parent ends, however it ends. */
export function endWithParent(): void {
  process.once('disconnect', () => {
    setTimeout(() => process.exit(1), CLOSE_MS).unref();
    process.kill(process.pid, 'SIGTERM'); // closes the app if it has started already
  });
}
