import { RECORD } from './brands.js';
import type { Deduplication } from '../core/sending/batch.js';
import { deduplicationOf, messageDelay, requestTimeout } from './options.js';
import { headersOf } from './headers.js';

/** A payload with options of its own; made by `ElkMqRecordBuilder`, sent in place of the payload. */
export class ElkMqRecord<T = unknown> {
  constructor(
    /** What the handler gets. */
    readonly data: T,
    /** What travels beside it. */
    readonly headers?: Readonly<Record<string, string>>,
    /** How long a request waits for its last response, or an event is worth handling, ms. */
    readonly timeout?: number,
    /** How long after it was sent it is to be handled, ms. */
    readonly delay?: number,
    /** Only the first message with its key is stored. */
    readonly deduplication?: {
      /** Up to 256 characters. */
      readonly key: string;
      /** For how long the key is known, ms. */
      readonly window: number;
    },
  ) {}

  /** @internal */
  get [RECORD](): true {
    return true;
  }
}

/** Adds headers, a timeout, a delay or a deduplication key to one message: `client.send('pattern', new ElkMqRecordBuilder(data).….build())`. */
export class ElkMqRecordBuilder<T> {
  #headers: Record<string, string> | undefined;
  #timeout: number | undefined;
  #delay: number | undefined;
  #deduplication: Deduplication | undefined;

  constructor(private data: T) {}

  /**
   * Strings that travel beside the payload; handlers read them with `context.getHeaders()`.
   * @throws {InvalidOptionError} when a value is no string
   */
  setHeaders(headers: Record<string, string>): this {
    this.#headers = headersOf(headers);
    return this;
  }

  /**
   * How long this request waits for its last response, or how long this event is worth handling, ms, up to 65,535,000.
   * Default: the client's `timeout`, or its `eventTimeout`.
   * @throws {InvalidOptionError}
   */
  setTimeout(timeout: number): this {
    this.#timeout = requestTimeout(timeout, timeout);
    return this;
  }

  /**
   * How long after it was sent the message is to be handled, ms, up to 2,000,000,000 (23 days). Its timeout counts from
   * then. Default 0.
   * @throws {InvalidOptionError}
   */
  setDelay(delay: number): this {
    this.#delay = messageDelay(delay);
    return this;
  }

  /**
   * Stores only the first message of the queue with this key: a second `emit` succeeds and adds nothing, a second `send`
   * gets the replies of the first one, also when they are an error. Requests and events have keys of their own.
   * @param key up to 256 characters, such as the id of an order
   * @param window ms since the first message during which the key is known. That of a request is known for as long as
   * somebody waits for its replies, at the least. Default 60,000
   * @throws {InvalidOptionError}
   */
  setDeduplicationKey(key: string, window?: number): this {
    this.#deduplication = deduplicationOf(key, window);
    return this;
  }

  /** What the handler gets, in place of what the builder was made with. */
  setData(data: T): this {
    this.data = data;
    return this;
  }

  /** What is given to `send` or `emit` in place of the payload. */
  build(): ElkMqRecord<T> {
    return new ElkMqRecord(this.data, this.#headers, this.#timeout, this.#delay, this.#deduplication);
  }
}
