import type { Redis } from 'ioredis';
import { COMMAND_TIMEOUT_MS, Connection, GAVE_UP, type ConnectionSource } from './connection.js';
import type { Credentials } from './credentials.js';
import { MessageTurns } from './message-turns.js';
import { isElsewhere, isReplyError, isTransient } from './redis-errors.js';
import { send } from './scripts.js';
import type { ClusterSlotMaster } from './cluster-slots.js';
import type { ChannelListener } from './channel-listener.js';

/**
 * One connection that subscribes to a channel at one server of Redis Cluster. It ends for good when it
 * breaks, and when the server has lost the slot of the channel: Redis then ends the subscription, or refuses
 * a new one.
 */
export class ShardConnection {
  /** The name of the server. */
  readonly server: string;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  /** The reason why there is no connection. */
  error: Error | undefined;
  hasSubscribed = false;
  readonly #connection: Connection;
  readonly #channel: string;
  readonly #listener: ChannelListener;
  readonly #turns: MessageTurns;
  #isOver = false;
  #resolveEnded: () => void = () => undefined;

  constructor(
    { name, node }: ClusterSlotMaster,
    credentials: Credentials,
    channel: string,
    listener: ChannelListener,
  ) {
    this.server = name;
    this.#channel = channel;
    this.#listener = listener;
    this.#turns = new MessageTurns((message) => {
      if (this.isSubscribed) listener.received(message);
    });
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
    this.#connection = new Connection(sourceAt(node, credentials), COMMAND_TIMEOUT_MS, {
      status: (status) => {
        if (status === 'connected') void this.#subscribe();
        else void this.endSubscription();
      },
      error: (error) => {
        if (!error.message.includes(GAVE_UP)) this.error ??= error;
      },
    });
    this.#client.on('smessage', (_channel: string, message: string) => {
      if (this.isSubscribed) this.#turns.addMessage(message);
    });
    this.#client.on('moved', () => void this.endSubscription());
    // ioredis 5 takes the end of a subscription that nobody has asked for as an error of its own.
    this.#client.on('error', () => {
      if (this.isSubscribed && !this.#isSubscriber) void this.endSubscription();
    });
  }

  get isSubscribed(): boolean {
    return this.hasSubscribed && !this.#isOver;
  }

  /** Does what `Subscriber.catchUp` does. */
  async catchUp(): Promise<boolean> {
    try {
      // ioredis 5 leaves the command without an answer when the slot is elsewhere.
      await Promise.race([send(this.#client, 'ssubscribe', [this.#channel]), this.ended]);
    } catch (error) {
      const isRefused = isReplyError(error) && !isElsewhere(error) && !isTransient(error);
      if (isRefused && !this.#isOver) this.#listener.refused(error);
      void this.endSubscription();
      return false;
    }
    // ioredis 5 takes the end of the subscription for the answer when it comes before that.
    if (!this.#isSubscriber) void this.endSubscription();
    await this.#turns.whenReceived();
    return !this.#isOver;
  }

  /** Receives nothing more, and closes the connection. */
  endSubscription(): Promise<void> {
    this.#isOver = true;
    this.#resolveEnded();
    return this.#connection.closeConnection();
  }

  get #client(): Redis {
    return this.#connection.client as Redis;
  }

  /** Whether ioredis knows of a subscription on this connection. */
  get #isSubscriber(): boolean {
    return this.#client.mode === 'subscriber';
  }

  async #subscribe(): Promise<void> {
    if (!(await this.catchUp())) return;
    this.hasSubscribed = true;
    this.#listener.subscribed();
  }
}

/**
 * A source of connections to one server. They do not come back when they break: the slot may be elsewhere.
 */
function sourceAt(node: Redis, credentials: Credentials): ConnectionSource {
  return {
    credentials,
    make: (commandTimeout) =>
      node.duplicate({
        lazyConnect: true,
        enableOfflineQueue: false,
        readOnly: false,
        retryStrategy: () => null,
        commandTimeout,
      }),
  };
}
