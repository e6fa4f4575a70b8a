import { RECORD } from './brands.js';
import {
  headersOf,
  MAX_DELAY_MS,
  MAX_TIMEOUT_SECONDS,
  parseDeduplication,
  parseMembers,
  parseMilliseconds,
  parseOrderingKey,
  type Deduplication,
} from 'elkmq/internal';

export const MAX_TIMEOUT_MS = MAX_TIMEOUT_SECONDS * 1_000;

/** A payload with its own options. `ElkMqRecordBuilder` makes it; it is sent in place of the payload. */
export class ElkMqRecord<T = unknown> {
  /** Strings that travel beside the payload. */
  readonly headers: Readonly<Record<string, string>> | undefined;
  /** The time that a request waits for its last response, or that an event is worth handling, ms. */
  readonly timeout: number | undefined;
  /** The time from sending until the message is due, ms. */
  readonly delay: number | undefined;
  /**
   * Only the first message with this `key` is stored. `window` is the time from that message for which the
   * key is known, ms.
   */
  readonly deduplication: { readonly key: string; readonly window: number } | undefined;
  /** Messages with one key are handled one at a time, in order. */
  readonly orderingKey: string | undefined;

  /**
   * The options are those of `ElkMqRecordBuilder`, which has a method for each.
   * @param data the payload that the handler gets
   * @throws {InvalidOptionError}
   */
  constructor(
    readonly data: T,
    headers?: Readonly<Record<string, string>>,
    timeout?: number,
    delay?: number,
    deduplication?: { readonly key: string; readonly window?: number },
    orderingKey?: string,
  ) {
    this.headers = headers === undefined ? undefined : headersOf(headers);
    this.timeout = timeout === undefined ? undefined : requestTimeout(timeout, timeout);
    this.delay = delay === undefined ? undefined : messageDelay(delay);
    this.deduplication = deduplication === undefined ? undefined : deduplicationOf(deduplication);
    this.orderingKey = orderingKey === undefined ? undefined : parseOrderingKey(orderingKey);
  }

  /** @internal */
  get [RECORD](): true {
    return true;
  }
}

function deduplicationOf(given: unknown): Deduplication {
  const { key, window } = parseMembers('deduplication', given, ['key', 'window']);
  return parseDeduplication(key, window);
}

/**
 * Adds headers, a timeout, a delay, a deduplication key or an ordering key to one message:
 * `client.send('pattern', new ElkMqRecordBuilder(data).….build())`.
 */
export class ElkMqRecordBuilder<T> {
  #headers: Record<string, string> | undefined;
  #timeout: number | undefined;
  #delay: number | undefined;
  #deduplication: Deduplication | undefined;
  #orderingKey: string | undefined;

  constructor(private data: T) {}

  /**
   * Sets strings that travel beside the payload. Handlers read them with `context.getHeaders()`.
   * @throws {InvalidOptionError} when a value is not a string
   */
  setHeaders(headers: Record<string, string>): this {
    this.#headers = headersOf(headers);
    return this;
  }

  /**
   * Sets for how long this request waits for its last response, or this event is worth handling.
   * @param timeout ms, up to 65,535,000. Default: the client's `timeout` for a request, its `eventTimeout`
   * for an event
   * @throws {InvalidOptionError}
   */
  setTimeout(timeout: number): this {
    this.#timeout = requestTimeout(timeout, timeout);
    return this;
  }

  /**
   * Sets the time from sending until the message is due. Its timeout begins when it is due.
   * @param delay ms, up to 2,000,000,000 (23 days). Default 0
   * @throws {InvalidOptionError}
   */
  setDelay(delay: number): this {
    this.#delay = messageDelay(delay);
    return this;
  }

  /**
   * Stores only the first message of the queue with this key. A second `emit` succeeds and adds nothing. A
   * second `send` gets the replies to the first one, also when they are an error. The keys of requests and of
   * events are separate.
   * @param key up to 256 characters, such as the id of an order
   * @param window ms from the first message, during which the key is known. The key of a request is known at
   * least for as long as somebody waits for its replies. Default 60,000
   * @throws {InvalidOptionError}
   */
  setDeduplicationKey(key: string, window?: number): this {
    this.#deduplication = parseDeduplication(key, window);
    return this;
  }

  /**
   * Has this message handled in order: messages of the queue with one key are handled one at a time, those
   * of one client in the order in which it sent them. Messages with other keys go on beside them.
   * @param key 1 to 256 bytes of UTF-8, such as the id of a customer
   * @throws {InvalidOptionError}
   */
  setOrderingKey(key: string): this {
    this.#orderingKey = parseOrderingKey(key);
    return this;
  }

  /** Replaces the payload that the builder was made with. */
  setData(data: T): this {
    this.data = data;
    return this;
  }

  /** @returns the record, to be given to `send` or `emit` in place of the payload */
  build(): ElkMqRecord<T> {
    const options = [
      this.#headers,
      this.#timeout,
      this.#delay,
      this.#deduplication,
      this.#orderingKey,
    ] as const;
    return new ElkMqRecord(this.data, ...options);
  }
}

/** @throws {InvalidOptionError} */
export function requestTimeout(given: unknown, fallback: number): number {
  return parseMilliseconds('timeout', given, fallback, MAX_TIMEOUT_MS);
}

/** @throws {InvalidOptionError} */
export function messageDelay(given: unknown): number {
  return parseMilliseconds('delay', given, 0, MAX_DELAY_MS, 0);
}
