import type { Redis } from 'ioredis';
import { connectBeside } from './connect-beside.js';
import { COMMAND_TIMEOUT_MS, type Connection } from './connection.js';
import { MessageTurns } from './message-turns.js';
import { isReplyError } from './redis-errors.js';
import type { RedisSource } from './redis-source.js';
import { send } from './scripts.js';
import type { Subscriber, ChannelListener } from './channel-listener.js';

/** Subscribes to one channel of a Redis that is no Cluster. */
export class ChannelSubscriber implements Subscriber {
  readonly #connection: Connection;
  readonly #channel: string;
  readonly #listener: ChannelListener;
  readonly #turns: MessageTurns;
  #isClosed = false;
  /** Whether the user knows that this connection has subscribed. */
  #isSubscribed = false;

  /** @param beside another connection to the same Redis, which is no Cluster */
  constructor(source: RedisSource, channel: string, listener: ChannelListener, beside: Connection) {
    this.#channel = channel;
    this.#listener = listener;
    this.#turns = new MessageTurns((message) => {
      if (!this.#isClosed) listener.received(message);
    });
    this.#connection = connectBeside(source, COMMAND_TIMEOUT_MS, beside, {
      isClosing: () => this.#isClosed,
      connected: () => {
        this.#isSubscribed = false;
        this.#turns.dropMessages();
        void this.#subscribe();
      },
      disconnected: (error) => {
        listener.disconnected(error);
      },
    });
    (this.#connection.client as Redis).on('message', (_channel: string, message: string) => {
      if (this.#isSubscribed && !this.#isClosed) this.#turns.addMessage(message);
    });
  }

  async catchUp(): Promise<boolean> {
    // While it connects, ioredis sends this command at once. The answer comes before the new session does.
    if (!this.#connection.isConnected) return false;
    const { session } = this.#connection;
    try {
      // Redis confirms a subscription that stands, behind the messages before. PING would need another right.
      await send(this.#connection.client, 'subscribe', [this.#channel]);
    } catch (error) {
      if (isReplyError(error) && !this.#isClosed) this.#listener.refused(error);
      return false;
    }
    await this.#turns.whenReceived();
    return !this.#isClosed && session === this.#connection.session;
  }

  renewSubscription(): boolean {
    // There is one server, and its subscription stands.
    return false;
  }

  closeSubscriber(): Promise<void> {
    this.#isClosed = true;
    return this.#connection.closeConnection();
  }

  async #subscribe(): Promise<void> {
    if (!(await this.catchUp())) return;
    this.#isSubscribed = true;
    this.#listener.subscribed();
  }
}
