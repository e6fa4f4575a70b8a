/** The test that has started this process. */

export function tellParent(message: object): void {
  // A parent that has gone is not interested.
  process.send?.(message, undefined, undefined, () => undefined);
}

/** The channel closes when the test is over, or its process has died: then this one ends as well. */
export function endWithParent(close: () => Promise<unknown>): void {
  const end = (): void => {
    // Closing may wait for a Redis that is gone.
    setTimeout(() => process.exit(1), 30_000).unref();
    void close().then(() => process.exit());
  };
  process.once('disconnect', end);
  // It may have been closed while this process was starting.
  if (!process.connected) end();
}
