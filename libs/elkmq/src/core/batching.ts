/**
 * When a batch goes out. With nothing on its way nobody gains by waiting: at the end of this callback, so that what the
 * callback and its promises add goes along. Else at the end of the tick, which the answer of the batch before overlaps.
 */
export function whenBatched(isIdle: boolean, flush: () => void): void {
  if (isIdle) process.nextTick(flush);
  else setImmediate(flush);
}
