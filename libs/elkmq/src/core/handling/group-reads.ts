import type { Redis } from 'ioredis';
import { ConnectionError } from '../errors.js';
import type { Competition } from '../interop/competition.js';
import { GROUP, type QueueKeys } from '../keys.js';
import type { Connection } from '../redis/connection.js';
import { isAborted, isForbidden, isReplyError } from '../redis/redis-errors.js';
import { send, sendTogether } from '../redis/scripts.js';
import { SCRIPTS } from '../redis/scripts.generated.js';

/** With fewer entries it costs more to note a claim than to have each of them pending. */
const FEWEST_CLAIMED = 32;
/** What scripts read whole to learn the ids that a claim holds has fewer bytes than this. */
const MAX_CLAIMED = 256 * 1024;

/** What XREADGROUP answers for one stream, in bytes. */
type Reply = [[stream: Buffer, entries: [id: Buffer, fields: Buffer[] | null][]]];

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
  /** So much seems to be waiting that a read which waits for nothing comes back full. */
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
  /** Whether Redis lets this worker claim; not known before it is tried. */
  #canClaim: boolean | undefined;
  #latest: Read = { consumer: '', claim: '' };

  constructor(keys: QueueKeys, competition: Competition) {
    this.#keys = keys;
    this.#competition = competition;
  }

  /** The one that was answered last, until the next one is sent. */
  get latest(): Read {
    return this.#latest;
  }

  /** @returns the reply to XREADGROUP, in bytes */
  send(client: Connection['client'], wanted: Wanted): Promise<unknown> {
    // On Cluster a transaction is not known to go where the reads go; original consumers compete for single entries.
    const canClaim = this.#canClaim !== false && !client.isCluster && this.#competition.limit === '';
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
    this.#canClaim ??= await mayClaim(client, claims);
    if (!this.#canClaim) return this.#read(client, wanted);
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
      throw isReplyError(error) ? this.#forbidden(client, error) : error;
    }
    const [, , reply, isClaimed] = answers;
    if (reply instanceof Error) throw reply;
    const entries = (reply as Reply | null)?.[0][1] ?? [];
    if (isClaimed === 1 && isSmall(entries)) {
      this.#latest = { consumer, claim };
      return reply;
    }
    this.#latest = { consumer, claim: '' };
    if (entries.length > 0) await this.#makePending(client, claim, consumer, entries);
    return reply;
  }

  /**
   * Transactions are not allowed any more, so each command may have been carried out by itself: what that has handed out
   * goes back to the queue, as with any connection that breaks. Only the loop of reads sees the error.
   */
  #forbidden(client: Redis, cause: Error): ConnectionError {
    this.#canClaim = false;
    client.disconnect(true);
    return new ConnectionError(`Redis does not allow transactions: ${cause.message}`, { cause });
  }

  /** For large entries; or the claim could not be noted, since somebody has made another type of its key. */
  async #makePending(client: Redis, claim: string, consumer: string, entries: Reply[0][1]): Promise<void> {
    const { eventStream, claims } = this.#keys;
    const ids = entries.map(([id]) => id.toString());
    await send(client, 'xclaim', [eventStream, GROUP, consumer, 0, ...ids, 'FORCE', 'JUSTID']);
    // Refused where the key is of another type.
    send(client, 'hdel', [claims, claim]).catch(() => undefined);
  }
}

/** Whether entries are so small that a script may read those of some claims whole. */
export function isSmall(
  entries: readonly (readonly [unknown, readonly { length: number }[] | null])[],
): boolean {
  let size = 0;
  for (const [, fields] of entries) for (const text of fields ?? []) size += text.length;
  return size < MAX_CLAIMED;
}

/**
 * Tries a transaction with nothing at stake: where MULTI is refused, a read that was to be part of one is carried out by
 * itself. @returns `undefined` when it is refused for now
 */
async function mayClaim(client: Redis, claims: string): Promise<boolean | undefined> {
  try {
    const [length] = await sendTogether(client, [['hlen', claims]]);
    return typeof length === 'number';
  } catch (error) {
    if (!isReplyError(error)) throw error;
    // Redis 6.0 stays in a transaction whose EXEC was refused.
    send(client, 'discard', []).catch(() => undefined);
    return isForbidden(error) ? false : undefined;
  }
}
