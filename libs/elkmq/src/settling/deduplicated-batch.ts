import type { QueueContext } from '../context/queue-context.js';
import { GROUP, type QueueKeys } from '../model/keys.js';
import { withoutId } from '../model/reply-frame.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';
import type { Delivery } from './delivery.js';
import type { Settlement } from './settlement-batch.js';

/** An attempt at a deduplicated request, with the settlement that ends it. */
export interface EndedAttempt {
  readonly attempt: Delivery;
  readonly settlement: Settlement;
}

/** The keys of one call that have no name: records and inboxes. */
export class Addresses {
  readonly keys: string[] = [];
  readonly #queueKeys: QueueKeys;

  constructor(queueKeys: QueueKeys) {
    this.#queueKeys = queueKeys;
  }

  /** The number of a key, from 1. */
  numberOf(key: string): number {
    const known = this.keys.indexOf(key);
    return known < 0 ? this.keys.push(key) : known + 1;
  }

  /**
   * The numbers of the inboxes of callers, joined by blanks. Nothing is written to an address that is none.
   */
  inboxNumbersOf(waiters: string): string {
    const numbers: number[] = [];
    for (const [, client = '', requestId = ''] of waiters.matchAll(/(\S+) (\S+)/g)) {
      const inbox = /^\d+$/.test(requestId) ? this.#queueKeys.inbox(client) : undefined;
      numbers.push(inbox === undefined ? 0 : this.numberOf(inbox));
    }
    return numbers.join(' ');
  }
}

/** The characters of its replies. */
export function charactersOf({ settlement }: EndedAttempt): number {
  return settlement.replies.reduce((sum, { length }) => sum + length, 0);
}

/** Makes the call that ends the attempts, when nobody but the caller that its entry names waits for each. */
export function batchCall(
  ended: readonly EndedAttempt[],
  { keys: queueKeys, pushes }: QueueContext,
): ScriptCall {
  const { eventStream, lanes, laneBodies, cancelled } = queueKeys;
  const addresses = new Addresses(queueKeys);
  const attempts = ended.map(({ attempt, settlement }) => {
    const { id, origin, event, deduplication = '', orderingKey = '' } = attempt.queued;
    const requester = `${event.replyTo ?? ''} ${event.requestId}`;
    const replies = settlement.replies.map((reply) => withoutId(reply, event.requestId)).join('\n');
    const record = addresses.numberOf(queueKeys.deduplication('request', deduplication));
    const inboxNumbers = addresses.inboxNumbersOf(requester);
    return { id, origin, orderingKey, record, waiters: requester, requester, inboxNumbers, replies };
  });
  const keys = { eventStream, lanes, laneBodies, cancelled, addresses: addresses.keys };
  return scripts.settleDeduplicatedBatch(keys, { group: GROUP, attempts, pushes });
}
