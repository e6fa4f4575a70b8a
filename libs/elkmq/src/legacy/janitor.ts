import { GROUP, type QueueKeys } from '../model/keys.js';
import type { Connection } from '../redis/connection.js';
import { PeriodicTask, type TaskRefused } from '../redis/periodic-task.js';
import * as scripts from '../redis/scripts.generated.js';
import { runScript, send, type ScriptCall } from '../redis/scripts.js';
import { KEPT_LONGER_MS } from './ownership.js';

/** The pause between two looks when no legacy client has left anything, ms. */
const IDLE_PAUSE_MS = 5_000;
/** The pause between two calls while there is much to do, ms. */
const BUSY_PAUSE_MS = 20;
/** The number of entries and ids of one call. */
const ENTRIES_PER_CALL = 200;
/** The number of entries of one call that may be deleted, of any size. */
const DELETED_COUNT = 50;
/** The longest time for which a worker that closes looks through the list, ms. */
const CLEARING_MS = 5_000;
/** The number of ids of one of its calls. */
const CLEARING_COUNT = 1_000;

/**
 * The number of things that a script has cleaned, and the beginning of the next page; '' when there is none.
 */
type Page = [deleted: number, next: string];

/**
 * Cleans up after legacy clients, which never delete anything. It deletes entries that were read and whose
 * time has passed, and ids in the legacy list that lead to nothing. All workers of a queue have a janitor, so
 * it does not matter which one cleans. Each call is short.
 */
export class Janitor {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #pace: number;
  readonly #task: PeriodicTask;
  /**
   * The places from which the list and the index of responses are looked at next, when their beginnings need
   * no cleaning.
   */
  #nextInList = '';
  #nextResponse = '';

  /** @param pace pause between two looks while there is something, ms */
  constructor(connection: Connection, keys: QueueKeys, pace: number, onRefused: TaskRefused) {
    this.#connection = connection;
    this.#keys = keys;
    this.#pace = pace;
    const options = { name: 'cleaning up after legacy clients', intervalMs: pace, connection, onRefused };
    this.#task = new PeriodicTask(options, () => this.#work());
    this.#task.startTask();
  }

  stopCleaning(): Promise<void> {
    return this.#task.stopTask();
  }

  /**
   * Removes all ids from the list that lead to nothing, for legacy consumers that come after this worker.
   * This is best effort: it ends when Redis goes away, refuses, or takes too long.
   */
  async clearList(): Promise<void> {
    const deadline = performance.now() + CLEARING_MS;
    let next = '0';
    while (next !== '' && this.#connection.isConnected && performance.now() < deadline) {
      [, next] = await this.#cleanList(next, CLEARING_COUNT).catch((): Page => [0, '']);
    }
  }

  /**
   * Cleans once.
   * @returns time until the next look, ms
   */
  async #work(): Promise<number> {
    const { messageQueue, responseStream, leftovers, history } = this.#keys;
    const used = [messageQueue, responseStream, leftovers, history];
    if ((await send(this.#connection.client, 'exists', used)) === 0)
      return Math.max(IDLE_PAUSE_MS, this.#pace);
    const hasMore = await this.#clean();
    return hasMore ? BUSY_PAUSE_MS : this.#pace;
  }

  /** @returns whether there is more to do at once */
  async #clean(): Promise<boolean> {
    const looked = await this.#call(
      scripts.cleanHistory(this.#keys, { group: GROUP, keptLonger: KEPT_LONGER_MS, limit: ENTRIES_PER_CALL }),
    );
    const stale = await this.#cleanListPage();
    const due = await this.#call(scripts.cleanLeftovers(this.#keys, { group: GROUP, limit: DELETED_COUNT }));
    const responses = await this.#cleanResponses();
    return looked === 1 || stale || due === DELETED_COUNT || responses;
  }

  /**
   * Cleans a page of the list. The oldest messages are usually handled first. Those that are still being
   * handled are passed by, a page at a time.
   */
  async #cleanListPage(): Promise<boolean> {
    const [deleted, next] = await this.#cleanList('0', ENTRIES_PER_CALL);
    if (next === '') return false;
    if (deleted > 0) return true;
    const [more, place] = await this.#cleanList(
      this.#nextInList === '' ? next : this.#nextInList,
      ENTRIES_PER_CALL,
    );
    this.#nextInList = place;
    return more > 0;
  }

  #cleanList(skip: string, count: number): Promise<Page> {
    const call = scripts.cleanList(this.#keys, { group: GROUP, skip: Number(skip), limit: count });
    return this.#call(call) as Promise<Page>;
  }

  /**
   * Cleans a page of the responses. The oldest are usually deleted first. Those that are kept for longer are
   * passed by, a page at a time.
   */
  async #cleanResponses(): Promise<boolean> {
    const args = { group: GROUP, keptLonger: KEPT_LONGER_MS, limit: ENTRIES_PER_CALL };
    const clean = (from: string): Promise<Page> =>
      this.#call(scripts.cleanResponses(this.#keys, { ...args, from })) as Promise<Page>;
    const [deleted, next] = await clean('-');
    if (next === '') return false;
    if (deleted > 0) return true;
    const [more, place] = await clean(this.#nextResponse === '' ? next : this.#nextResponse);
    this.#nextResponse = place;
    return more > 0;
  }

  #call(call: ScriptCall): Promise<unknown> {
    return runScript(this.#connection.client, call);
  }
}
