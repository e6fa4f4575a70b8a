import type { Timestamp } from './service-event.js';

/** An id of an entry of a stream: the time at which Redis registered it, ms, and a number. */
const ID = /^\d{1,20}-\d{1,20}$/;
/** The highest number in an id: Redis has 64 bits for each. */
const HIGHEST = 2n ** 64n - 1n;
const DIGITS_OF_HIGHEST = 20;

/** Whether a text has the form of an id. It is cheap, for what comes with each message. */
export function isStreamId(text: string): boolean {
  return ID.test(text);
}

/** Whether Redis takes a text as an id: its numbers are not too high. */
export function isAcceptedId(text: string): boolean {
  const isLowEnough = (digits: string): boolean =>
    digits.length < DIGITS_OF_HIGHEST || BigInt(digits) <= HIGHEST;
  return isStreamId(text) && text.split('-').every(isLowEnough);
}

/** The milliseconds of an id: the time at which Redis registered it. */
export function timestampOf(id: string): Timestamp {
  return Number.parseInt(id, 10);
}

/** Whether an entry comes after another one in a stream. */
export function isAfter(one: string, other: string): boolean {
  if (one === other) return false;
  const [time = '', number = ''] = one.split('-');
  const [otherTime = '', otherNumber = ''] = other.split('-');
  return time === otherTime ? BigInt(number) > BigInt(otherNumber) : Number(time) > Number(otherTime);
}

/** Compares for a sort: the lower id was made first. */
export function compareIds(one: string, other: string): number {
  if (one === other) return 0;
  return isAfter(one, other) ? 1 : -1;
}

/** The next possible id. (Redis 6.0 has no open ranges.) */
export function nextId(id: string): string {
  const [time, sequence] = id.split('-') as [string, string];
  return `${time}-${String(BigInt(sequence) + 1n)}`;
}

/** The highest id below `id`. */
export function previousId(id: string): string {
  const [time = '', number = ''] = id.split('-');
  if (number !== '0') return `${time}-${String(BigInt(number) - 1n)}`;
  return `${String(BigInt(time) - 1n)}-18446744073709551615`;
}
