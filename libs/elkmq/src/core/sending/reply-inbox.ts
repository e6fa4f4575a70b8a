import { ConnectionError } from '../errors.js';
import { BlockingReader, BLOCK } from '../redis/blocking-reader.js';
import { ReadSize } from '../redis/read-size.js';
import type { StreamEntry } from '../redis/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import type { RedisSource } from '../redis/redis-source.js';
import { isFrame, type ReplyFrame } from '../wire/reply-frame.js';
import { send } from '../redis/scripts.js';

/** Entries of one read at the most. Each can hold the replies of a whole batch. */
const COUNT = 100;
/** What has been read is deleted when it is so many entries or characters, and after so many ms. */
const LOT = 100;
const LOT_SIZE = 64 * 1024;
const LOT_AGE = 100;

/** Reads the replies to one client process, which nobody else does, and deletes what it has read. */
export class ReplyInbox {
  readonly #key: string;
  readonly #connection: Connection;
  readonly #reader: BlockingReader;
  readonly #size = new ReadSize();
  #last = '0-0';
  /** Entries that have been read and not been deleted yet, and their characters. */
  #read: string[] = [];
  #readSize = 0;
  #deletion: NodeJS.Timeout | undefined;
  #isRefused = false;

  /**
   * @param connection for everything but the blocking reads
   * @param receive is given each frame, with the id of the entry that has it
   */
  constructor(
    source: RedisSource,
    connection: Connection,
    key: string,
    receive: (frame: ReplyFrame, id: string) => void,
    onError: (error: Error) => void,
  ) {
    this.#key = key;
    this.#connection = connection;
    const refused = (error: Error): void => {
      if (!this.#isRefused) onError(error);
      this.#isRefused = true;
    };
    this.#reader = new BlockingReader(
      source,
      {
        read: (client) => {
          const count = Math.min(COUNT, this.#size.limit);
          const args = ['COUNT', count, 'BLOCK', BLOCK, 'STREAMS', key, this.#last];
          return send(client, 'xread', args, 'bytes');
        },
        entries: (entries) => {
          this.#isRefused = false;
          this.#size.note(entries);
          return this.#take(entries, receive) > 1;
        },
        // Such as a key of another type. Nothing helps but to try again.
        refused: (error) => {
          refused(error);
          return Promise.resolve();
        },
        disconnected: (cause) => {
          refused(new ConnectionError(`Redis has no connection for replies: ${cause.message}`, { cause }));
        },
        // Ids can go back after a failover; what is read twice is known by its number.
        connected: () => {
          this.#last = '0-0';
          return Promise.resolve();
        },
      },
      connection,
    );
  }

  /** Leaves the inbox as it is: its owner deletes it. */
  close(): Promise<void> {
    clearTimeout(this.#deletion);
    return this.#reader.close();
  }

  /** @returns how many frames there were */
  #take(entries: StreamEntry[], receive: (frame: ReplyFrame, id: string) => void): number {
    let count = 0;
    for (const [id, fields] of entries) {
      this.#last = id;
      this.#read.push(id);
      this.#readSize += fields?.[1]?.length ?? 0;
      for (const frame of unpack(fields)) {
        receive(frame, id);
        count++;
      }
    }
    if (this.#read.length >= LOT || this.#readSize >= LOT_SIZE) this.#delete();
    else if (this.#read.length > 0) this.#deletion ??= setTimeout(this.#delete, LOT_AGE).unref();
    return count;
  }

  readonly #delete = (): void => {
    clearTimeout(this.#deletion);
    this.#deletion = undefined;
    const ids = this.#read;
    this.#read = [];
    this.#readSize = 0;
    // Best effort: what stays is read again after a reconnect, and goes with the inbox.
    send(this.#connection.client, 'xdel', [this.#key, ...ids]).catch(() => undefined);
  };
}

function unpack(fields: string[] | null): ReplyFrame[] {
  if (fields?.[0] !== 'replies') return [];
  try {
    const frames: unknown = JSON.parse(fields[1] ?? '');
    return Array.isArray(frames) ? frames.filter(isFrame) : [];
  } catch {
    // Not written by a worker of this package. The requests it may have meant end by their timeout.
    return [];
  }
}
