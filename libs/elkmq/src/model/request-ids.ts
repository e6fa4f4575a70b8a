import { randomBytes } from 'node:crypto';

/*
 * A request id is an unsigned 128-bit integer. It is kept as its decimal digits, because the wire has these.
 * Each process draws 72 random bits once (up to 22 digits, no leading zero), and 16 digits count. So the id
 * is unique among processes and within one, and below 2^128.
 */
const prefix = (BigInt(`0x${randomBytes(9).toString('hex')}`) + 1n).toString();
/** The counter has two parts: see "Request ids count below 2^31" in docs/performance.md. */
const LOW = { first: 100_000_000, last: 999_999_999 };
let high = 1_000_000;
let low = LOW.first;
let head = prefix + String(high);

/** The decimal digits of a new unsigned 128-bit id. */
export function nextRequestId(): string {
  if (low > LOW.last) {
    low = LOW.first;
    head = prefix + String(++high);
  }
  return head + String(low++);
}

/** The hyphenated lower-case form, which the legacy response index uses. */
export function hyphenated(requestId: string): string {
  const hex = BigInt(requestId).toString(16).padStart(32, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
