import { ConnectionError } from '../model/errors.js';
import { BlockingReader, BLOCK_MS } from '../redis/blocking-reader.js';
import { ReadSize } from '../redis/read-size.js';
import type { StreamEntry } from '../model/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import type { RedisSource } from '../redis/redis-source.js';
import { isFrame, type ReplyFrame } from '../model/reply-frame.js';
import { send } from '../redis/scripts.js';

/** The largest number of entries in one read. Each entry can hold the replies of a whole batch. */
const ENTRIES_PER_READ = 100;
/** Read entries are deleted when there are so many entries or characters, or after so many ms. */
const DELETE_AFTER_ENTRIES = 100;
const DELETE_AFTER_CHARACTERS = 64 * 1024;
const DELETE_AFTER_MS = 100;

/**
 * Reads the replies to one client process and deletes them when it has read them. Nobody else reads this
 * inbox.
 */
export class ReplyInbox {
  readonly #key: string;
  readonly #connection: Connection;
  readonly #reader: BlockingReader;
  readonly #size = new ReadSize();
  #last = '0-0';
  /** The entries that have been read and not been deleted yet, and their characters. */
  #read: string[] = [];
  #readSize = 0;
  #deletion: NodeJS.Timeout | undefined;
  #isRefused = false;

  /**
   * @param connection for everything but the blocking reads
   * @param receive gets each frame, with the id of the entry that has it
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
          const count = Math.min(ENTRIES_PER_READ, this.#size.limit);
          const args = ['COUNT', count, 'BLOCK', BLOCK_MS, 'STREAMS', key, this.#last];
          return send(client, 'xread', args, 'bytes');
        },
        entries: (entries) => {
          this.#isRefused = false;
          this.#size.note(entries);
          return this.#take(entries, receive) > 1;
        },
        // The key has another type, for example. A new try is the only help.
        refused: (error) => {
          refused(error);
          return Promise.resolve();
        },
        disconnected: (cause) => {
          refused(new ConnectionError(`Redis has no connection for replies: ${cause.message}`, { cause }));
        },
        // Ids can go back after a failover. The number of a reply tells when it is read twice.
        connected: () => {
          this.#last = '0-0';
          return Promise.resolve();
        },
      },
      connection,
    );
  }

  /** Closes the connection. The inbox stays as it is: its owner deletes it. */
  closeInbox(): Promise<void> {
    clearTimeout(this.#deletion);
    return this.#reader.close();
  }

  /** @returns the number of frames */
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
    if (this.#read.length >= DELETE_AFTER_ENTRIES || this.#readSize >= DELETE_AFTER_CHARACTERS)
      this.#delete();
    else if (this.#read.length > 0) this.#deletion ??= setTimeout(this.#delete, DELETE_AFTER_MS).unref();
    return count;
  }

  readonly #delete = (): void => {
    clearTimeout(this.#deletion);
    this.#deletion = undefined;
    const ids = this.#read;
    this.#read = [];
    this.#readSize = 0;
    // This is best effort. A remaining entry is read again after a reconnect, and is deleted with the inbox.
    send(this.#connection.client, 'xdel', [this.#key, ...ids]).catch(() => undefined);
  };
}

function unpack(fields: string[] | null): ReplyFrame[] {
  if (fields?.[0] !== 'replies') return [];
  try {
    const frames: unknown = JSON.parse(fields[1] ?? '');
    return Array.isArray(frames) ? frames.filter(isFrame) : [];
  } catch {
    // Something else than a worker of this package wrote it. A request that it was meant for ends by its
    // timeout.
    return [];
  }
}
