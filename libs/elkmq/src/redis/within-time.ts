import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves with the value of `promise`, or with `otherwise` when that takes longer than `ms`. */
export async function withinTime<T>(promise: Promise<T>, ms: number, otherwise: T): Promise<T> {
  const over = new AbortController();
  try {
    return await Promise.race([promise, sleep(ms, otherwise, { signal: over.signal })]);
  } finally {
    over.abort();
  }
}
