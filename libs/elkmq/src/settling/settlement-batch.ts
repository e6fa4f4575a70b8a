import type { QueueContext } from '../context/queue-context.js';
import type { QueuedEvent } from '../model/entry.js';
import { GROUP, type QueueKeys } from '../model/keys.js';
import type { PushCommand } from '../model/push.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';
import type { Read } from '../consumer/session.js';
import { nextId } from '../model/stream-id.js';

/** An entry that knows the read that has brought it, and its position in that read. */
export interface ReadEntry {
  /** The id of the entry. */
  readonly id: string;
  readonly read: Read;
  readonly positionInRead: number;
}

/** An attempt that has something to settle. */
export interface Settlable extends ReadEntry {
  /** The message. */
  readonly queued: Pick<QueuedEvent, 'origin' | 'orderingKey'>;
  /** The client whose inbox takes the replies. */
  readonly replyTo: string | undefined;
  /** Takes the replies that are to go out now, about as many characters as `limit` at most. */
  takeReplies(limit: number): Settlement;
  /**
   * The settlement that was taken is in Redis, or will never be.
   * @param error why it will not be
   */
  onSettled(result: SettlementResult, error?: unknown): void;
  /**
   * Redis refuses the settlement that was taken, and always will. The attempt ends with another settlement in
   * its place.
   * @returns `undefined` when there is nothing to send
   */
  refused(error: Error): Settlement | undefined;
}

/**
 * The owner of an attempt when it was settled. `kept`: its worker still had it. `lost`: its worker did not
 * have it any more. `in doubt`: its worker may have ended it by an earlier call.
 */
export type SettlementResult = 'kept' | 'lost' | 'in doubt';

export interface Settlement {
  /** The replies, each as JSON. There may be none. */
  readonly replies: readonly string[];
  /** Whether the attempt ends with this. */
  readonly finished: boolean;
}

/** The largest batch, in characters of replies. One attempt may have more. */
export const BATCH_CHARACTERS = 512 * 1024;

/** One call of a script. */
export interface SettlementCall {
  readonly call: ScriptCall;
  readonly attempts: readonly Settlable[];
  /** The settlement of each attempt. */
  readonly settlements: readonly Settlement[];
}

/** The attempts that finish with replies to one inbox. */
interface InboxSettlement {
  readonly replies: string[];
  readonly ids: string[];
}

/** Attempts that are settled together. Those that finish go in one call, those that go on in another. */
export class SettlementBatch {
  /** The size in characters of replies. */
  size = 0;
  readonly #queueKeys: QueueKeys;
  readonly #pushes: PushCommand;
  readonly #most: number;
  readonly #inboxes: string[] = [];
  /** The number of each client's inbox among the inboxes, from 1. */
  readonly #inboxNumbers = new Map<string, number>();
  readonly #finished: Settlable[] = [];
  readonly #finishedSettlements: Settlement[] = [];
  readonly #range = new ContiguousRange();
  /** Those with an ordering key: id, key and origin in turn. */
  readonly #keyed: string[] = [];
  /** The attempts that finish, by the number of the inbox. Inboxes without such attempts have no element. */
  readonly #byInbox: InboxSettlement[] = [];
  readonly #unfinished: Settlable[] = [];
  readonly #unfinishedSettlements: Settlement[] = [];
  readonly #parts: { id: string; consumer: string; inbox: number; replies: string }[] = [];

  /** @param most the largest number of attempts */
  constructor({ keys, pushes }: QueueContext, most: number) {
    this.#queueKeys = keys;
    this.#pushes = pushes;
    this.#most = most;
  }

  get isFull(): boolean {
    return this.size >= BATCH_CHARACTERS || this.#finished.length + this.#unfinished.length >= this.#most;
  }

  addAttempt(attempt: Settlable, settlement: Settlement): void {
    const { replies, finished } = settlement;
    const joined = replies.join(',');
    const inbox = joined === '' ? 0 : this.#numberOf(attempt.replyTo);
    this.size += joined.length;
    if (finished) {
      this.#finished.push(attempt);
      this.#finishedSettlements.push(settlement);
      this.#range.addEntry(attempt);
      this.#addToInbox(inbox, attempt.id, joined);
      const { orderingKey, origin } = attempt.queued;
      if (orderingKey !== undefined) this.#keyed.push(attempt.id, orderingKey, origin);
    } else {
      this.#unfinished.push(attempt);
      this.#unfinishedSettlements.push(settlement);
      this.#parts.push({ id: attempt.id, consumer: attempt.read.consumer, inbox, replies: joined });
    }
  }

  calls(): SettlementCall[] {
    const keys = { eventStream: this.#queueKeys.eventStream, inboxes: this.#inboxes };
    const calls: SettlementCall[] = [];
    if (this.#finished.length > 0) {
      const [first, stop] = this.#range.bounds;
      // Each attempt has a line of its own: JSON has no line break.
      const inboxSettlements: Parameters<typeof scripts.settle>[1]['inboxSettlements'][number][] = [];
      this.#byInbox.forEach(({ replies, ids }, inbox) => {
        inboxSettlements.push({ inbox, replies: inbox === 0 ? '' : `[${replies.join('\n,')}]`, ids });
      });
      const args = { group: GROUP, first, stop, inboxSettlements, pushes: this.#pushes };
      calls.push({
        call: settleCall(this.#queueKeys, this.#inboxes, args, this.#keyed),
        attempts: this.#finished,
        settlements: this.#finishedSettlements,
      });
    }
    if (this.#unfinished.length > 0) {
      calls.push({
        call: scripts.answerInPart(keys, { group: GROUP, attempts: this.#parts, pushes: this.#pushes }),
        attempts: this.#unfinished,
        settlements: this.#unfinishedSettlements,
      });
    }
    return calls;
  }

  #addToInbox(inbox: number, id: string, replies: string): void {
    const settlement = (this.#byInbox[inbox] ??= { replies: [], ids: [] });
    settlement.replies.push(replies);
    settlement.ids.push(id);
  }

  /** The number of the inbox among the inboxes; 0 when there is none to write to. */
  #numberOf(replyTo: string | undefined): number {
    if (replyTo === undefined) return 0;
    const known = this.#inboxNumbers.get(replyTo);
    if (known !== undefined) return known;
    // An address that is not one of a client could name another key. Nothing is written to it.
    const inbox = this.#queueKeys.inbox(replyTo);
    const number = inbox === undefined ? 0 : this.#inboxes.push(inbox);
    this.#inboxNumbers.set(replyTo, number);
    return number;
  }
}

/**
 * Makes the call that finishes attempts. Attempts without an ordering key have a script that is quicker.
 * @param keyed the attempts that have one: id, key and origin in turn
 */
export function settleCall(
  queueKeys: QueueKeys,
  inboxes: readonly string[],
  args: Parameters<typeof scripts.settle>[1],
  keyed: readonly string[],
): ScriptCall {
  const { eventStream, lanes, laneBodies, cancelled } = queueKeys;
  if (keyed.length === 0) return scripts.settle({ eventStream, inboxes }, args);
  return scripts.settleKeyed(
    { eventStream, lanes, laneBodies, cancelled, inboxes },
    { ...args, keyed: JSON.stringify(keyed) },
  );
}

/**
 * The smallest number of entries for a trim. With fewer entries one XDEL costs no more than the check for
 * gaps.
 */
const MIN_ENTRIES = 8;

/** The arguments of `settle.lua` for entries that are no contiguous range. */
const NO_RANGE = ['', ''] as const;

/**
 * Finds out whether entries are a contiguous range of the stream. Entries of one read follow each other
 * there, so they are a range when all between the first and the last are among them.
 */
export class ContiguousRange {
  #first: ReadEntry | undefined;
  #last: ReadEntry | undefined;
  #count = 0;

  addEntry(entry: ReadEntry): void {
    this.#count++;
    if (!this.#first || !this.#last) {
      this.#first = entry;
      this.#last = entry;
    } else if (entry.read !== this.#first.read) this.#count = Number.NaN;
    else if (entry.positionInRead < this.#first.positionInRead) this.#first = entry;
    else if (entry.positionInRead > this.#last.positionInRead) this.#last = entry;
  }

  /**
   * The id of the first entry, and the least id after the last. It is `NO_RANGE` when there are gaps or too
   * few entries.
   */
  get bounds(): readonly [first: string, end: string] {
    if (!this.#first || !this.#last || this.#count < MIN_ENTRIES) return NO_RANGE;
    const hasGaps = this.#last.positionInRead - this.#first.positionInRead + 1 !== this.#count;
    return hasGaps ? NO_RANGE : [this.#first.id, nextId(this.#last.id)];
  }
}
