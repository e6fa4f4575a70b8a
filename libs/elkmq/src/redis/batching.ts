/**
 * Sends a batch at the right moment. When nothing is on its way, waiting gains nothing: the batch goes at the
 * end of this callback, with everything that the callback and its promises add. Otherwise the batch goes at
 * the end of the tick, while the answer to the batch before arrives.
 */
export function scheduleFlush(isIdle: boolean, flush: () => void): void {
  if (isIdle) process.nextTick(flush);
  else setImmediate(flush);
}
