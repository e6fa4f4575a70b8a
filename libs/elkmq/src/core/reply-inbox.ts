import { BlockingReader, BLOCK, type StreamEntry } from './blocking-reader.js';
import type { RedisSource } from './redis-source.js';
import { isFrame, type ReplyFrame } from './reply-frame.js';
import { send } from './scripts.js';

/** Entries of one read. Each can hold the replies of a whole batch. */
const COUNT = 100;

/** Reads the replies to one client process, which nobody else does, and deletes what it has read. */
export class ReplyInbox {
  readonly #key: string;
  readonly #reader: BlockingReader;
  #last = '0-0';

  constructor(
    source: RedisSource,
    key: string,
    receive: (frame: ReplyFrame) => void,
    onError: (error: Error) => void,
  ) {
    this.#key = key;
    this.#reader = new BlockingReader(source, {
      next: () => ['xread', 'COUNT', COUNT, 'BLOCK', BLOCK, 'STREAMS', key, this.#last],
      entries: (entries) => {
        this.#take(entries, receive);
      },
      // Such as a key of another type. Nothing helps but to try again.
      refused: (error) => {
        onError(error);
        return Promise.resolve();
      },
      // Ids can go back after a failover; what is read twice is known by its number.
      connected: () => {
        this.#last = '0-0';
        return Promise.resolve();
      },
    });
  }

  close(): Promise<void> {
    return this.#reader.close();
  }

  #take(entries: StreamEntry[], receive: (frame: ReplyFrame) => void): void {
    const last = entries.at(-1);
    if (!last) return;
    this.#last = last[0];
    const ids = entries.map(([id]) => id);
    // Best effort: what stays is read again after a reconnect, and goes with the inbox.
    send(this.#reader.connection.client, 'xdel', [this.#key, ...ids]).catch(() => undefined);
    for (const [, fields] of entries) {
      for (const frame of unpack(fields)) receive(frame);
    }
  }
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
