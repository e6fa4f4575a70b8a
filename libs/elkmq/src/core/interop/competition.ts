import type { StreamEntry } from '../redis/stream-entries.js';
import { MAX_TIMEOUT_SECONDS } from '../service-event.js';
import { timestampOf } from '../wire/entry.js';

/** How much longer than its timeout an entry is kept that an original client may still read, ms. */
export const KEPT_LONGER = 1_000;

/**
 * For which entries original consumers compete. Who takes the id of such an entry out of their list has it; of all others
 * the consumer group alone decides.
 */
export class Competition {
  /** The last id that was there before the group: what original consumers have taken of it is only known by the list. */
  #until = '';

  constructor(private readonly legacyConsumers: boolean) {}

  /** Up to which id they compete for events of original producers: `+` for all, '' for none. */
  get limit(): string {
    return this.legacyConsumers ? '+' : this.#until;
  }

  /** The group has been joined. @param until see `join.lua` */
  joined(until: string): void {
    this.#until = until;
  }

  concerns([id, fields]: StreamEntry): boolean {
    // The usual entry has these two fields.
    if (!fields || (fields.length === 4 && fields[2] === 'reply_to')) return false;
    if (fields.length > 2) return isListed(fields);
    const { limit } = this;
    // The original writes one field.
    return fields[0] === 'event' && (limit === '+' || (limit !== '' && !isAfter(id, limit)));
  }
}

/** Whether its producer, one of this package's, has put its id into the list of the original's consumers. */
export function isListed(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === 'listed') return true;
  return false;
}

/** When an entry can be deleted that is left to original clients: its time has passed. @returns ms since 1970 */
export function deletableAt([id, fields]: StreamEntry): number {
  // Also of an event that cannot be read.
  const timeout = Number(/"timeout":\s*(\d{1,5})/.exec(fields?.[1] ?? '')?.[1] ?? MAX_TIMEOUT_SECONDS);
  return timestampOf(id) + timeout * 1_000 + KEPT_LONGER;
}

function isAfter(one: string, other: string): boolean {
  const [time = '', number = ''] = one.split('-');
  const [otherTime = '', otherNumber = ''] = other.split('-');
  return time === otherTime ? BigInt(number) > BigInt(otherNumber) : Number(time) > Number(otherTime);
}
