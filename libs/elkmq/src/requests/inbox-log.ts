import { isFrame, type ReplyFrame } from '../model/reply-frame.js';
import type { StreamEntry } from '../model/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import { ReadSize } from '../redis/read-size.js';
import { send } from '../redis/scripts.js';
import { isAfter } from '../model/stream-id.js';

/** The largest number of entries in one read. Each entry can hold the replies of a whole batch. */
const ENTRIES_PER_READ = 100;
/** Read entries are deleted when one of these limits is reached. */
const DELETE_AFTER_ENTRIES = 100;
const DELETE_AFTER_CHARACTERS = 64 * 1024;
const DELETE_AFTER_MS = 100;

/** The beginning of a stream: no entry has this id. */
const START = '0-0';

/**
 * The inbox of one client process as a log: how far it was read, and what can be deleted. Nobody else reads
 * this inbox. Entries may be taken twice: the numbers of replies tell.
 */
export class InboxLog {
  readonly key: string;
  readonly #connection: Connection;
  readonly #receive: (frame: ReplyFrame, id: string) => boolean;
  readonly #size = new ReadSize();
  #last = START;
  /** The entries that have been taken and not been deleted yet, and their characters. */
  #taken: string[] = [];
  #takenSize = 0;
  #deletion: NodeJS.Timeout | undefined;

  /**
   * @param receive gets each frame, with the id of the entry that has it; it returns false for one that comes
   * too early
   */
  constructor(connection: Connection, key: string, receive: (frame: ReplyFrame, id: string) => boolean) {
    this.#connection = connection;
    this.key = key;
    this.#receive = receive;
  }

  /** The id of the latest entry that was taken. */
  get last(): string {
    return this.#last;
  }

  /** The next read begins at the beginning: ids can go back after a failover. */
  readAgain(): void {
    this.#last = START;
  }

  /**
   * Reads what comes after `id`.
   * @param blockMs the time to wait for an entry, ms; default: none
   * @returns the answer of Redis, in bytes
   */
  read(client: Connection['client'], id = this.#last, blockMs?: number): Promise<unknown> {
    const count = Math.min(ENTRIES_PER_READ, this.#size.limit);
    const block = blockMs === undefined ? [] : ['BLOCK', blockMs];
    return send(client, 'xread', ['COUNT', count, ...block, 'STREAMS', this.key, id], 'bytes');
  }

  /** @returns the number of frames */
  takeEntries(entries: readonly StreamEntry[]): number {
    this.#size.note(entries);
    let count = 0;
    for (const [id, fields] of entries) {
      const replies = fields?.[0] === 'replies' ? (fields[1] ?? '') : '';
      const frames = unpack(replies);
      for (const frame of frames) this.#receive(frame, id);
      this.#noteTaken(id, replies);
      count += frames.length;
    }
    return count;
  }

  /**
   * Takes the entry of a push, unless one of its replies comes too early.
   * @returns whether it was taken
   */
  takePush(id: string, replies: string): boolean {
    let areInOrder = true;
    for (const frame of unpack(replies)) if (!this.#receive(frame, id)) areInOrder = false;
    if (areInOrder) this.#noteTaken(id, replies);
    return areInOrder;
  }

  /** Deletes what was taken. */
  readonly deleteTaken = (): void => {
    clearTimeout(this.#deletion);
    this.#deletion = undefined;
    if (this.#taken.length === 0) return;
    const ids = this.#taken;
    this.#taken = [];
    this.#takenSize = 0;
    // This is best effort. A remaining entry is read again after a reconnect, and is deleted with the inbox.
    send(this.#connection.client, 'xdel', [this.key, ...ids]).catch(() => undefined);
  };

  /** Deletes nothing more. The inbox stays as it is: its owner deletes it. */
  closeLog(): void {
    clearTimeout(this.#deletion);
    this.#taken = [];
  }

  #noteTaken(id: string, replies: string): void {
    if (isAfter(id, this.#last)) this.#last = id;
    this.#taken.push(id);
    this.#takenSize += replies.length;
    if (this.#taken.length >= DELETE_AFTER_ENTRIES || this.#takenSize >= DELETE_AFTER_CHARACTERS)
      this.deleteTaken();
    else this.#deletion ??= setTimeout(this.deleteTaken, DELETE_AFTER_MS).unref();
  }
}

/** @param json an array of frames, or '' */
function unpack(json: string): ReplyFrame[] {
  if (json === '') return [];
  try {
    const frames: unknown = JSON.parse(json);
    return Array.isArray(frames) ? frames.filter(isFrame) : [];
  } catch {
    // Something else than a worker of this package wrote it. A request that it was meant for ends by its
    // timeout.
    return [];
  }
}
