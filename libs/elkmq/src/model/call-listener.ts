/**
 * Calls a function of the application that must not fail what goes on around it: a listener, a telemetry, an
 * audit. The type of each of them lets it be `async`. Nobody waits for the promise, but its rejection would
 * end the process.
 * @param failed gets what the function throws, or the reason of the rejection
 * @returns the result, or `undefined` when the function throws
 */
export function callListener<T>(call: () => T, failed: (error: unknown) => void): T | undefined {
  try {
    const result = call();
    if (isThenable(result)) Promise.resolve(result).catch(failed);
    return result;
  } catch (error) {
    failed(error);
    return undefined;
  }
}

function isThenable(value: unknown): boolean {
  return typeof (value as { then?: unknown } | null | undefined)?.then === 'function';
}
