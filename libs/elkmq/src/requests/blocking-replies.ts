import { BlockingReader, BLOCK_MS } from '../redis/blocking-reader.js';
import type { Connection } from '../redis/connection.js';
import type { RedisSource } from '../redis/redis-source.js';
import type { InboxLog } from './inbox-log.js';
import type { ReplyReader, ReplyTroubles } from './reply-reader.js';

/** Holds a blocking read on an inbox. This works with every worker and every Redis. */
export class BlockingReplies implements ReplyReader {
  readonly #reader: BlockingReader;

  /** @param connection for everything but the blocking reads */
  constructor(source: RedisSource, connection: Connection, log: InboxLog, troubles: ReplyTroubles) {
    this.#reader = new BlockingReader(
      source,
      {
        read: (client) => log.read(client, log.last, BLOCK_MS),
        entries: (entries) => {
          troubles.recovered();
          return log.takeEntries(entries) > 1;
        },
        // The key has another type, for example. A new try is the only help.
        refused: (error) => {
          troubles.refused(error);
          return Promise.resolve();
        },
        disconnected: (cause) => {
          troubles.disconnected(cause);
        },
        connected: () => {
          log.readAgain();
          return Promise.resolve();
        },
      },
      connection,
    );
  }

  closeReader(): Promise<void> {
    return this.#reader.close();
  }
}
