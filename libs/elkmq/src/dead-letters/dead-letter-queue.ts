import type { DeadLetter } from './dead-letter.js';
import type { DeadLetterFilter } from './filter.js';

/** Chooses dead letters, and says how many one page holds. */
export interface DeadLetterQuery extends DeadLetterFilter {
  /** The place where the page begins: `next` of the page before. */
  readonly before?: string | undefined;
  /** The largest number of letters, 1 to 1,000. Default 100. */
  readonly limit?: number | undefined;
}

/** Some of the dead letters, and the place of the next ones. */
export interface DeadLetterPage {
  /** The letters. The message that died last comes first. */
  readonly letters: DeadLetter[];
  /** The value of `before` for the next page; `undefined` when there is none. */
  readonly next: string | undefined;
}

/**
 * The dead letters of a queue: the messages that were not handled. The `origin` of its message identifies a
 * letter.
 *
 * Every call may fail with one of these errors. `ConnectionError`: Redis is away for longer than the queue's
 * `enqueueTimeout`. `DequeueError`: Redis refuses. `JsonParseError`: something else wrote a letter that is
 * not JSON. `InvalidOptionError`: an argument is wrong. A call with a filter reads every letter.
 */
export interface DeadLetterQueue {
  /** The number of letters. */
  count(filter?: DeadLetterFilter): Promise<number>;
  /**
   * Reads one page of letters. The message that died last comes first. Letters that are added meanwhile do
   * not shift the pages.
   */
  list(query?: DeadLetterQuery): Promise<DeadLetterPage>;
  /**
   * Reads letter by letter: `for await (const letter of queue.deadLetters.all())`. The message that died last
   * comes first.
   */
  all(filter?: DeadLetterFilter): AsyncGenerator<DeadLetter, void, undefined>;
  /** Reads one letter; `undefined` when there is none. */
  get(origin: string): Promise<DeadLetter | undefined>;
  /**
   * Puts messages back into the queue. The message that died first goes first. Each becomes a new message
   * with the same event and headers and its full timeout; nobody waits for its reply. A message whose letter
   * says `abandoned` or `exhausted` was started before: the caller of this method decides whether it may
   * start again.
   * @param which the origin of one letter, or a filter for the letters that are there now; `{}` means all
   * @returns the number of messages that were put back. A letter is put back once, however many callers try
   * at the same time
   * @throws {EnqueueError} when Redis refuses to store them; their letters stay
   */
  retry(which: string | DeadLetterFilter): Promise<number>;
  /**
   * Deletes letters, and with them their messages.
   * @param which the origin of one letter, or a filter for the letters that are there now; `{}` means all
   * @returns the number of letters that were deleted
   */
  remove(which: string | DeadLetterFilter): Promise<number>;
}
