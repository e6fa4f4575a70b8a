/** The test that has started this process. */

export function tellParent(message: object): void {
  process.send?.(message);
}

/** The channel closes when the test is over, or its process has died: then this one ends as well. */
export function endWithParent(close: () => Promise<unknown>): void {
  process.once('disconnect', () => {
    // Closing may wait for a Redis that is gone.
    setTimeout(() => process.exit(1), 15_000).unref();
    void close().then(() => process.exit());
  });
}
