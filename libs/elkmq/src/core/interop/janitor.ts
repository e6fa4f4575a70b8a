import { GROUP, type QueueKeys } from '../keys.js';
import type { Connection } from '../redis/connection.js';
import { isReplyError } from '../redis/redis-errors.js';
import { runScript, send, type ScriptName } from '../redis/scripts.js';
import { KEPT_LONGER } from './competition.js';

/** Between two looks where no original client has left anything, ms. */
const IDLE = 5_000;
/** Between two calls while there is much to do, ms. */
const PAUSE = 20;
/** Entries and ids of one call. */
const COUNT = 200;
/** Entries of one call that may be deleted, of any size. */
const DELETED_COUNT = 50;
/** How long a worker that closes looks through the list at the most, ms. */
const CLEARING_MS = 5_000;
/** Ids of one of its calls. */
const CLEARING_COUNT = 1_000;

/** What a script has cleaned, and where the next page begins; '' when there is none. */
type Page = [deleted: number, next: string];

/**
 * Cleans up after original clients, which never delete anything: what was read and whose time has passed, and ids in
 * their list that lead to nothing. All workers of a queue do, so it does not matter which; each call is short.
 */
export class Janitor {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #pace: number;
  readonly #onError: (error: Error) => void;
  #timer: NodeJS.Timeout | undefined;
  /** From where on the list, and the index of responses, are looked at next, when nothing is to be cleaned where they begin. */
  #nextInList = '';
  #nextResponse = '';
  #isRefused = false;
  #isStopped = false;
  #working: Promise<void> | undefined;

  /**
   * @param pace between two looks where there is something, ms
   * @param onError is told when Redis refuses, once until it does not any more
   */
  constructor(connection: Connection, keys: QueueKeys, pace: number, onError: (error: Error) => void) {
    this.#connection = connection;
    this.#keys = keys;
    this.#pace = pace;
    this.#onError = onError;
    this.#schedule(pace);
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#working;
  }

  /**
   * Takes all ids out of the list that lead to nothing, for original consumers that come after this worker. Best effort: it
   * ends when Redis goes away, refuses, or takes too long.
   */
  async clearList(): Promise<void> {
    const deadline = performance.now() + CLEARING_MS;
    let next = '0';
    while (next !== '' && this.#connection.isConnected && performance.now() < deadline) {
      [, next] = await this.#cleanList(next, CLEARING_COUNT).catch((): Page => [0, '']);
    }
  }

  #schedule(pause: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => {
      this.#working = this.#work().then((next) => {
        this.#schedule(next);
      });
    }, pause).unref();
  }

  /** @returns when to look again, ms from now */
  async #work(): Promise<number> {
    if (!this.#connection.isConnected) return this.#pace;
    try {
      const { messageQueue, responseStream, leftovers, history } = this.#keys;
      const used = [messageQueue, responseStream, leftovers, history];
      if ((await send(this.#connection.client, 'exists', used)) === 0) return Math.max(IDLE, this.#pace);
      const done = await this.#clean();
      this.#isRefused = false;
      return done ? PAUSE : this.#pace;
    } catch (error) {
      // Otherwise Redis went away.
      if (isReplyError(error) && !this.#isRefused) {
        this.#isRefused = true;
        this.#onError(error);
      }
      return this.#pace;
    }
  }

  /** @returns whether there is more to do at once */
  async #clean(): Promise<boolean> {
    const { eventStream, messageQueue, leftovers, history } = this.#keys;
    const histories = [eventStream, history, leftovers];
    const lists = [eventStream, messageQueue, leftovers];
    const looked = await this.#call('cleanHistory', histories, [KEPT_LONGER, COUNT]);
    const stale = await this.#cleanListPage();
    const due = await this.#call('cleanLeftovers', lists, [DELETED_COUNT]);
    const responses = await this.#cleanResponses();
    return looked === 1 || stale || due === DELETED_COUNT || responses;
  }

  /** Mostly the oldest are handled first; those that are still being handled are passed by, a page at a time. */
  async #cleanListPage(): Promise<boolean> {
    const [deleted, next] = await this.#cleanList('0', COUNT);
    if (next === '') return false;
    if (deleted > 0) return true;
    const [more, place] = await this.#cleanList(this.#nextInList === '' ? next : this.#nextInList, COUNT);
    this.#nextInList = place;
    return more > 0;
  }

  #cleanList(skip: string, count: number): Promise<Page> {
    const { eventStream, messageQueue, leftovers } = this.#keys;
    return this.#call('cleanList', [eventStream, messageQueue, leftovers], [skip, count]) as Promise<Page>;
  }

  /** Mostly the oldest are deleted first; those that have longer than others are passed by, a page at a time. */
  async #cleanResponses(): Promise<boolean> {
    const { eventStream, responseStream } = this.#keys;
    const clean = (from: string): Promise<Page> =>
      this.#call(
        'cleanResponses',
        [eventStream, responseStream],
        [KEPT_LONGER, from, COUNT],
      ) as Promise<Page>;
    const [deleted, next] = await clean('-');
    if (next === '') return false;
    if (deleted > 0) return true;
    const [more, place] = await clean(this.#nextResponse === '' ? next : this.#nextResponse);
    this.#nextResponse = place;
    return more > 0;
  }

  #call(script: ScriptName, keys: string[], args: (string | number)[]): Promise<unknown> {
    return runScript(this.#connection.client, script, keys, [GROUP, ...args]);
  }
}
