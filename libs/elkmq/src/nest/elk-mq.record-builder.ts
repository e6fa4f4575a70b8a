import { messageDelay, requestTimeout } from './options.js';
import { headersOf } from './headers.js';

/** A payload with options of its own; made by `ElkMqRecordBuilder`, sent in place of the payload. */
export class ElkMqRecord<T = unknown> {
  constructor(
    readonly data: T,
    readonly headers?: Readonly<Record<string, string>>,
    /** Milliseconds. */
    readonly timeout?: number,
    /** Milliseconds. */
    readonly delay?: number,
  ) {}
}

/** Adds headers, a timeout or a delay to one message: `client.send('pattern', new ElkMqRecordBuilder(data).….build())`. */
export class ElkMqRecordBuilder<T> {
  #headers: Record<string, string> | undefined;
  #timeout: number | undefined;
  #delay: number | undefined;

  constructor(private data: T) {}

  /** Strings that travel beside the payload; handlers read them with `context.getHeaders()`. */
  setHeaders(headers: Record<string, string>): this {
    this.#headers = headersOf(headers);
    return this;
  }

  /** How long this request waits for its last response, or how long this event is worth handling, ms. */
  setTimeout(timeout: number): this {
    this.#timeout = requestTimeout(timeout, timeout);
    return this;
  }

  /** How long after it was sent the message is to be handled, ms, up to 23 days. Its timeout counts from then. */
  setDelay(delay: number): this {
    this.#delay = messageDelay(delay);
    return this;
  }

  setData(data: T): this {
    this.data = data;
    return this;
  }

  build(): ElkMqRecord<T> {
    return new ElkMqRecord(this.data, this.#headers, this.#timeout, this.#delay);
  }
}
