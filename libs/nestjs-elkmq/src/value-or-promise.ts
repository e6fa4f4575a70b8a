/**
 * A value, or a promise of it. Serializers and deserializers may return either. A plain value goes on at
 * once, because a promise for each message costs time: see "No async function" in docs/performance.md.
 */
export type ValueOrPromise<T> = T | Promise<T>;

/** Calls `next` with the value: now, or when its promise is fulfilled. */
export function whenFulfilled<T, R>(
  value: ValueOrPromise<T>,
  next: (value: T) => ValueOrPromise<R>,
): ValueOrPromise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

/**
 * The promise, which is given up when it takes longer than `ms`.
 * @param overdue makes the error then
 */
export function givenUpAfter<T>(promise: Promise<T>, ms: number, overdue: () => Error): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(overdue());
    }, ms);
  });
  return Promise.race([promise, tooLong]).finally(() => {
    clearTimeout(timer);
  });
}

/**
 * Runs a step: now, or when the step before it has ended. An error of the step goes to `failed`.
 * @param before the result of the step before; `undefined` when it has ended
 * @returns a promise of the end of this step, which never rejects; `undefined` when it has ended
 */
export function runStep(
  step: () => ValueOrPromise<void>,
  failed: (error: unknown) => void,
  before?: Promise<void>,
): Promise<void> | undefined {
  try {
    const ended = before ? before.then(step) : step();
    return ended instanceof Promise ? ended.catch(failed) : undefined;
  } catch (error) {
    failed(error);
    return undefined;
  }
}
