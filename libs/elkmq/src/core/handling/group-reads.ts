import type { Redis } from 'ioredis';
import { ConnectionError } from '../errors.js';
import type { Competition } from '../interop/competition.js';
import { GROUP, type QueueKeys } from '../keys.js';
import type { Connection } from '../redis/connection.js';
import { isAborted, isReplyError } from '../redis/redis-errors.js';
import { send, sendTogether } from '../redis/scripts.js';
import { SCRIPTS } from '../redis/scripts.generated.js';

/** With fewer entries it costs more to note a claim than to have each of them pending. */
const FEWEST_CLAIMED = 32;

/** Which read has brought an entry. */
export interface Read {
  /** Whose the entry is: a name in the group. */
  readonly consumer: string;
  /** The claim that the entry is in; '' when it is pending. */
  readonly claim: string;
}

/** What is to be read. */
export interface Wanted {
  readonly consumer: string;
  readonly count: number;
  /** How long to wait for the first entry, whole ms. */
  readonly patience: number;
  /** More is waiting than can be read at once, so that nothing needs to be waited for. */
  readonly isBehind: boolean;
}

/**
 * Sends the reads of a consumer, one at a time. Each entry becomes pending; where there is a backlog, Redis notes all that
 * a read hands out as one claim (see claim.lua), which whoever looks at what is pending expands.
 */
export class GroupReads {
  readonly #keys: QueueKeys;
  readonly #competition: Competition;
  #claims = 0;
  #canClaim = true;
  #latest: Read = { consumer: '', claim: '' };

  constructor(keys: QueueKeys, competition: Competition) {
    this.#keys = keys;
    this.#competition = competition;
  }

  /** The one that was answered last. */
  get latest(): Read {
    return this.#latest;
  }

  /** @returns the reply to XREADGROUP, in bytes */
  send(client: Connection['client'], wanted: Wanted): Promise<unknown> {
    // On Cluster a transaction is not known to go where the reads go; original consumers compete for single entries.
    const canClaim = this.#canClaim && !client.isCluster && this.#competition.limit === '';
    if (!canClaim || !wanted.isBehind || wanted.count < FEWEST_CLAIMED) return this.#read(client, wanted);
    const reply = this.#claim(client as Redis, wanted);
    // One that is sent ahead is not waited for when the worker stops.
    reply.catch(() => undefined);
    return reply;
  }

  #read(client: Connection['client'], { consumer, count, patience }: Wanted): Promise<unknown> {
    this.#latest = { consumer, claim: '' };
    const how = ['COUNT', count, 'BLOCK', patience];
    const args = ['GROUP', GROUP, consumer, ...how, 'STREAMS', this.#keys.eventStream, '>'];
    return send(client, 'xreadgroup', args, 'bytes');
  }

  async #claim(client: Redis, wanted: Wanted): Promise<unknown> {
    const { consumer, count } = wanted;
    const { eventStream, claims } = this.#keys;
    const claim = `${consumer} ${String(++this.#claims)}`;
    const { source, sha1 } = SCRIPTS.claim;
    const note = [2, eventStream, claims, GROUP, claim];
    let answers: unknown[];
    try {
      answers = await sendTogether(client, [
        ['hset', claims, claim, ''],
        // By its text first: a digest that Redis does not know would be noticed when the entries are handed out already.
        ['eval', source, ...note],
        ['xreadgroup', 'GROUP', GROUP, consumer, 'COUNT', count, 'NOACK', 'STREAMS', eventStream, '>'],
        ['evalsha', sha1, ...note],
      ]);
    } catch (error) {
      // Such as for lack of memory, of which the usual read needs none.
      if (isAborted(error)) return this.#read(client, wanted);
      throw isReplyError(error) ? this.#withoutTransactions(client, error) : error;
    }
    const [, , reply, isClaimed] = answers;
    if (reply instanceof Error) throw reply;
    if (isClaimed !== 1 && reply !== null) await this.#makePending(client, consumer, reply);
    this.#latest = { consumer, claim: isClaimed === 1 ? claim : '' };
    return reply;
  }

  /**
   * MULTI or EXEC is not allowed, so each command may have been carried out by itself. What it has handed out goes back to
   * the queue, as with any connection that breaks.
   */
  #withoutTransactions(client: Redis, cause: Error): ConnectionError {
    this.#canClaim = false;
    client.disconnect(true);
    return new ConnectionError(`Redis does not allow transactions: ${cause.message}`, { cause });
  }

  /** The claim could not be noted: the key is of another type. */
  async #makePending(client: Redis, consumer: string, reply: unknown): Promise<void> {
    this.#canClaim = false;
    const [[, entries]] = reply as [[Buffer, [id: Buffer, ...unknown[]][]]];
    const ids = entries.map(([id]) => id.toString());
    await send(client, 'xclaim', [this.#keys.eventStream, GROUP, consumer, 0, ...ids, 'FORCE', 'JUSTID']);
  }
}
