/** Keeps the processor: no timer fires and no socket is read meanwhile. */
export function keepBusy(milliseconds: number): void {
  const end = performance.now() + milliseconds;
  while (performance.now() < end);
}
