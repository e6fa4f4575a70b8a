import type { QueueKeys } from '../model/keys.js';
import { BLOCK_MS, BlockingReader } from '../redis/blocking-reader.js';
import type { StreamEntry } from '../model/stream-entries.js';
import type { RedisSource } from '../redis/redis-source.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import { hyphenated } from '../model/request-ids.js';

/** The number of entries of the index in one read. */
const ENTRIES_PER_READ = 1_000;
/**
 * The time before the oldest request from which the index is read, ms. The clock of Redis may have been set
 * back.
 */
const CLOCK_MARGIN_MS = 5_000;

/** Watches the legacy index of responses for the responses of legacy consumers. */
export class ResponseWatch {
  readonly #keys: QueueKeys;
  readonly #reader: BlockingReader;
  readonly #receive: (requestId: string, json: string, id: string) => void;
  /**
   * The requests by the form of their ids in the index. Each has the `performance.now()` at which it was
   * made.
   */
  readonly #waiting = new Map<string, { requestId: string; since: number }>();
  #last = '0-0';
  #isRefused = false;

  /** @param receive gets the JSON of a response, with the id of its entry */
  constructor(
    source: RedisSource,
    keys: QueueKeys,
    receive: (requestId: string, json: string, id: string) => void,
    onError: (error: Error) => void,
  ) {
    this.#keys = keys;
    this.#receive = receive;
    const { responseStream } = keys;
    this.#reader = new BlockingReader(source, {
      read: (client) => {
        if (this.#waiting.size === 0) return undefined;
        const args = ['COUNT', ENTRIES_PER_READ, 'BLOCK', BLOCK_MS, 'STREAMS', responseStream, this.#last];
        return send(client, 'xread', args, 'bytes');
      },
      entries: (entries) => {
        this.#isRefused = false;
        for (const entry of entries) this.#take(entry);
        return entries.length > 1;
      },
      refused: (error) => {
        if (!this.#isRefused) onError(error);
        this.#isRefused = true;
        return Promise.resolve();
      },
      connected: () => this.#begin(),
    });
  }

  /** Looks for the response to a request, until it is forgotten. */
  watchRequest(requestId: string): void {
    this.#waiting.set(hyphenated(requestId), { requestId, since: performance.now() });
    if (this.#waiting.size === 1) this.#reader.wake();
  }

  forget(requestId: string): void {
    this.#waiting.delete(hyphenated(requestId));
  }

  stopWatching(): Promise<void> {
    return this.#reader.close();
  }

  /**
   * Reads from the time at which the oldest request was made. A response that is read twice finds nobody
   * waiting.
   */
  async #begin(): Promise<void> {
    const [oldest] = this.#waiting.values();
    const age = oldest ? performance.now() - oldest.since : 0;
    const { client } = this.#reader.connection;
    const [seconds] = (await runScript(client, scripts.time(this.#keys))) as [string];
    const from = Math.floor(Number(seconds) * 1_000 - age - CLOCK_MARGIN_MS);
    this.#last = `${String(Math.max(from, 0))}-0`;
  }

  #take([id, fields]: StreamEntry): void {
    this.#last = id;
    const [uuid = '', body = ''] = fields ?? [];
    const request = this.#waiting.get(uuid);
    if (request) void this.#fetch(request.requestId, body);
  }

  async #fetch(requestId: string, id: string): Promise<void> {
    try {
      const args = [this.#keys.eventStream, id, id];
      const entries = (await send(this.#reader.connection.client, 'xrange', args)) as StreamEntry[];
      const [name, json] = entries[0]?.[1] ?? [];
      if (name === 'response' && json !== undefined) this.#receive(requestId, json, id);
    } catch {
      // After a broken connection the index is read again. An id that is none leads to nothing.
    }
  }
}
