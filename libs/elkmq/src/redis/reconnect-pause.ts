/**
 * The pause before the next try to connect: 50 ms, doubling up to `longestMs`. Half of each pause is random.
 * So a fleet does not come back all at once.
 * @param attempt counted from 1
 */
export function reconnectPause(attempt: number, longestMs: number): number {
  const full = Math.min(50 * 2 ** Math.min(attempt - 1, 10), longestMs);
  return full / 2 + (Math.random() * full) / 2;
}
