import { LARGE_CHARACTERS } from '../redis/call-apart.js';
import { BATCH_CHARACTERS } from './settlement-batch.js';

/** The largest number of attempts in one call. */
const MAX_ATTEMPTS = 64;

/**
 * Puts attempts into batches of which each is one call. A large one is alone: Redis may refuse it, and
 * everything that goes with it.
 * @param charactersOf what the call has of an attempt
 */
export function batchesOf<T>(attempts: readonly T[], charactersOf: (attempt: T) => number): T[][] {
  const batches: T[][] = [];
  let latest: T[] = [];
  let size = 0;
  for (const attempt of attempts) {
    const characters = charactersOf(attempt);
    if (characters >= LARGE_CHARACTERS) {
      batches.push([attempt]);
      continue;
    }
    if (latest.length === 0 || latest.length >= MAX_ATTEMPTS || size + characters > BATCH_CHARACTERS) {
      latest = [];
      size = 0;
      batches.push(latest);
    }
    latest.push(attempt);
    size += characters;
  }
  return batches;
}
