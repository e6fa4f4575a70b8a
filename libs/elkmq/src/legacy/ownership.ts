import type { StreamEntry } from '../model/stream-entries.js';
import { MAX_TIMEOUT_SECONDS } from '../model/service-event.js';
import { fieldOf } from '../model/fields.js';
import { isAfter, timestampOf } from '../model/stream-id.js';

/** The time for which an entry that a legacy client may read is kept after its timeout, ms. */
export const KEPT_LONGER_MS = 1_000;

/**
 * Knows for which entries legacy consumers compete. The winner of such an entry is the one who takes its id
 * out of the legacy list. The consumer group alone decides on all other entries.
 */
export class LegacyOwnership {
  /**
   * The last id that was there before the group. Only the list shows which entries up to it legacy consumers
   * have taken.
   */
  #until = '';

  /** @param legacyConsumers whether there are any: they read the queue too */
  constructor(readonly legacyConsumers: boolean) {}

  /** The last id up to which they compete for events of legacy producers: `+` for all, '' for none. */
  get limit(): string {
    return this.legacyConsumers ? '+' : this.#until;
  }

  /**
   * The group has been joined.
   * @param until see `join_group.lua`
   */
  recordJoin(until: string): void {
    this.#until = until;
  }

  isContested([id, fields]: StreamEntry): boolean {
    // The usual entry has these two fields.
    if (!fields || (fields.length === 4 && fields[2] === 'reply_to')) return false;
    if (fields.length > 2) return isListed(fields);
    const { limit } = this;
    // The original writes one field.
    return fields[0] === 'event' && (limit === '+' || (limit !== '' && !isAfter(id, limit)));
  }
}

/** Whether its producer, a client of this package, has put its id into the legacy list. */
export function isListed(fields: readonly string[]): boolean {
  return fieldOf(fields, 'listed') !== undefined;
}

/**
 * The time from which an entry for legacy clients can be deleted, because its timeout has passed.
 * @returns ms since 1970
 */
export function deletableAt([id, fields]: StreamEntry): number {
  // This must work for an event that cannot be read as well.
  const timeout = Number(/"timeout":\s*(\d{1,5})/.exec(fields?.[1] ?? '')?.[1] ?? MAX_TIMEOUT_SECONDS);
  return timestampOf(id) + timeout * 1_000 + KEPT_LONGER_MS;
}
