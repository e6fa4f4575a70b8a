import type { Redis } from 'ioredis';
import { connectBeside } from './connect-beside.js';
import { COMMAND_TIMEOUT_MS, type Connection } from './connection.js';
import { isReplyError } from './redis-errors.js';
import type { RedisSource } from './redis-source.js';
import { send } from './scripts.js';

/** When more messages wait, all are received at once: none is to wait for as many turns. */
const MOST_WAITING = 8;

export interface Subscription {
  /** The channel is subscribed to, for the first time or again. No message comes before that. */
  subscribed(): void;
  received(message: string): void;
  /** Redis refuses the subscription. It is tried again with the next connection. */
  refused(error: Error): void;
  /** There is no connection, though Redis is there. */
  disconnected(error: Error): void;
}

/**
 * Subscribes to one channel, on a connection of its own, again and again until it is closed. Each turn of the
 * event loop receives one message, so that what is sent in answer to it is one batch. Two messages in one turn
 * would make one batch of two, and they would stay together from then on: see "Replies that are pushed" in
 * docs/performance.md.
 */
export class Subscriber {
  readonly #connection: Connection;
  readonly #channel: string;
  readonly #subscription: Subscription;
  #isClosed = false;
  /** Whether the user knows that this connection has subscribed. */
  #isSubscribed = false;
  /** The messages that have come and are received in later turns. */
  #waiting: string[] = [];
  /** Whether this turn has received a message. */
  #isTurnOver = false;

  /** @param beside another connection to the same Redis, which is no Cluster */
  constructor(source: RedisSource, channel: string, subscription: Subscription, beside: Connection) {
    this.#channel = channel;
    this.#subscription = subscription;
    this.#connection = connectBeside(source, COMMAND_TIMEOUT_MS, beside, {
      isClosing: () => this.#isClosed,
      connected: () => {
        this.#isSubscribed = false;
        this.#waiting = [];
        void this.#subscribe();
      },
      disconnected: (error) => {
        subscription.disconnected(error);
      },
    });
    (this.#connection.client as Redis).on('message', (_channel: string, message: string) => {
      if (!this.#isSubscribed || this.#isClosed) return;
      this.#waiting.push(message);
      if (!this.#isTurnOver) this.#receiveNext();
    });
  }

  /**
   * Resolves when all messages have been received that were published before this call. A connection that
   * does not answer is replaced.
   * @returns false when the connection broke meanwhile, or there is none
   */
  async catchUp(): Promise<boolean> {
    const { session } = this.#connection;
    try {
      // Redis confirms a subscription that stands, behind the messages before. PING would need another right.
      await send(this.#connection.client, 'subscribe', [this.#channel]);
    } catch (error) {
      if (isReplyError(error) && !this.#isClosed) this.#subscription.refused(error);
      return false;
    }
    // A turn that comes later than those of the messages before.
    while (this.#waiting.length > 0) await new Promise(setImmediate);
    return !this.#isClosed && session === this.#connection.session;
  }

  closeSubscriber(): Promise<void> {
    this.#isClosed = true;
    return this.#connection.closeConnection();
  }

  readonly #receiveNext = (): void => {
    const count = this.#waiting.length > MOST_WAITING ? this.#waiting.length : 1;
    const messages = this.#waiting.splice(0, count);
    this.#isTurnOver = messages.length > 0;
    if (!this.#isTurnOver) return;
    setImmediate(this.#receiveNext);
    for (const message of messages) if (!this.#isClosed) this.#subscription.received(message);
  };

  async #subscribe(): Promise<void> {
    if (!(await this.catchUp())) return;
    this.#isSubscribed = true;
    this.#subscription.subscribed();
  }
}
