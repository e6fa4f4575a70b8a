import type { QueueContext } from '../context/queue-context.js';
import { entriesOfReply, type StreamEntry } from '../model/stream-entries.js';
import { isReplyError } from '../redis/redis-errors.js';
import { askWhetherReachable, recordArrival, type ConsumerSession } from './session.js';
import type { BrokenSessions } from './broken-sessions.js';

/** The session of the reads that do not block. They go over the connection for scripts. */
export class DirectReads {
  readonly #context: QueueContext;
  readonly #newSession: () => ConsumerSession;
  readonly #broken: BrokenSessions;
  #session: ConsumerSession;
  /** Whether the latest read broke. */
  #hasBroken = false;

  constructor(context: QueueContext, newSession: () => ConsumerSession, broken: BrokenSessions) {
    this.#context = context;
    this.#newSession = newSession;
    this.#broken = broken;
    this.#session = newSession();
  }

  /** The consumer in the group for which the next read takes entries. */
  get consumer(): string {
    return this.#session.name;
  }

  /**
   * Reads entries. When the answer may be lost, the session ends, and what it was handed goes back to the
   * queue. A read is therefore never sent again as it is.
   * @param read reads for the consumer of this name, and gives the answer of XREADGROUP in bytes
   */
  async readEntries(
    read: (consumer: string) => Promise<unknown>,
  ): Promise<{ readonly consumer: string; readonly entries: StreamEntry[] }> {
    if (this.#hasBroken) await askWhetherReachable(this.#context, this.#context.connection.client);
    this.#hasBroken = false;
    const session = this.#session;
    try {
      const entries = entriesOfReply(await read(session.name));
      recordArrival(session, entries);
      return { consumer: session.name, entries };
    } catch (error) {
      if (!isReplyError(error) && session === this.#session) {
        this.#hasBroken = true;
        this.#session = this.#newSession();
        this.#broken.endSession(session);
      }
      throw error;
    }
  }

  endSession(): void {
    this.#broken.endSession(this.#session);
  }
}
