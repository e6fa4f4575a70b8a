/** The other end of `Child`: what a process does that the bench has started. */

/** Closing may wait for a broker that is gone. */
const CLOSE_MS = 5_000;

/** Why a process ends too early. */
export interface Failure {
  readonly failure: string;
}

/** What ends this process, which does so as it would anyway. */
export function tellParentOfCrash(): void {
  process.once('uncaughtExceptionMonitor', (error) => {
    tellParent({ failure: error.message } satisfies Failure);
  });
}

export function tellParent(message: unknown): void {
  // A parent that has gone is not interested.
  process.send?.(message, undefined, undefined, () => undefined);
}

/** The channel closes when the parent has no more use for this process, or has died. */
export function endWithParent(close: () => unknown): void {
  const end = (): void => {
    setTimeout(() => {
      console.error(`closing took more than ${CLOSE_MS} ms`);
      process.exit(1);
    }, CLOSE_MS).unref();
    void Promise.resolve(close()).then(() => process.exit());
  };
  process.once('disconnect', end);
  // It may have been closed while this process was starting.
  if (!process.connected) end();
}
