import type { Cluster, Redis } from 'ioredis';
import type { RedisSourceInput } from 'nestjs-elkmq';
import { QueueContext } from '../../libs/elkmq/src/context/queue-context.js';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../libs/elkmq/src/redis/connection.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { ReplyInbox } from '../../libs/elkmq/src/requests/reply-inbox.js';
import { ManualTimers } from './manual-timers.js';
import { closing, newQueueName, redis, redisMajor, url } from './queue.js';

/** What an inbox needs to know of where it is: a place for replies is one. */
export interface InboxPlace {
  /** A client who may do everything. */
  readonly admin: Redis | Cluster;
  readonly source: RedisSourceInput;
  readonly isCluster: boolean;
}

const CLIENT = 'client';
/** The ids of the request with the numbers, and of another one. */
const REQUEST = '7';
const OTHER = '8';

/**
 * The inbox of a client whose clock the test moves, and a worker that answers its one request with numbers. The frames are
 * told in the order in which they came for the first time, as `WaitingRequest` would take them.
 */
export class InboxOfTest {
  readonly queue = newQueueName();
  readonly keys: QueueKeys;
  readonly key: string;
  readonly timers = new ManualTimers();
  /** The numbers that came, in the order of the stream of values: one that is too early is dropped. */
  readonly numbers: number[] = [];
  /** How many replies to another request came. */
  others = 0;
  readonly warnings: string[] = [];
  readonly errors: Error[] = [];
  isWaiting = true;
  /** The connection of the client for everything but its replies. */
  client: Redis | Cluster | undefined;
  #next = 0;
  readonly #place: InboxPlace;
  readonly #admin: Redis | Cluster;

  constructor(place: Partial<InboxPlace> = {}) {
    this.#place = { admin: redis, source: url, isCluster: false, ...place };
    this.#admin = this.#place.admin;
    this.keys = new QueueKeys(this.queue, this.#place.isCluster);
    this.key = this.keys.inbox(CLIENT) as string;
  }

  /** Makes the inbox in Redis, which is there before the first reply. */
  async create(): Promise<void> {
    await this.#admin.xdel(this.key, (await this.#admin.xadd(this.key, '*', 'created', '')) as string);
  }

  /** Takes the replies. @param source of the client */
  async open(source = this.#place.source): Promise<void> {
    await this.create();
    const listener = {
      error: (error: Error) => void this.errors.push(error),
      warned: (message: string) => void this.warnings.push(message),
    };
    const redisSource = new RedisSource(source);
    const connection = new Connection(redisSource, COMMAND_TIMEOUT_MS, listener);
    this.client = connection.client;
    await connection.whenConnected(60_000);
    const context = new QueueContext(connection, this.keys, false);
    const receiver = {
      receive: (frame: unknown[]) => {
        if (frame[0] === OTHER) {
          this.others++;
          return true;
        }
        if (frame[2] === this.numbers.length) this.numbers.push(Number(frame[4]));
        return Number(frame[2]) < this.numbers.length;
      },
      isWaiting: () => this.isWaiting,
    };
    const inbox = new ReplyInbox(redisSource, context, this.key, receiver, listener, this.timers);
    closing({
      close: async () => {
        await inbox.closeInbox();
        await connection.closeConnection();
        await this.#admin.del(this.key);
      },
    });
  }

  /**
   * Answers with the next number.
   * @param padding makes the reply larger by so many characters
   */
  async answer(isPushed: boolean, padding = 0): Promise<number> {
    const number = this.#next++;
    await this.#reply(
      `[["${REQUEST}",1,${String(number)},0,${String(number)}${' '.repeat(padding)}]]`,
      isPushed,
    );
    return number;
  }

  /** Answers another request. */
  answerOther(isPushed: boolean): Promise<void> {
    return this.#reply(`[["${OTHER}",1,0,1,0]]`, isPushed);
  }

  async #reply(replies: string, isPushed: boolean): Promise<void> {
    const command = this.#place.isCluster ? 'spublish' : 'publish';
    const pushes = isPushed ? command : '';
    await runScript(this.#admin, scripts.reply({ inbox: this.key }, { replies, pushes }));
  }

  /** Publishes any message to the channel of the inbox. */
  publish(message: string): Promise<unknown> {
    const command = this.#place.isCluster ? 'spublish' : 'publish';
    return this.#admin.call(command, this.key, message);
  }

  /**
   * Whether the client has subscribed.
   * @param server at which; on a Cluster of several servers
   */
  async isSubscribed(server = this.#admin): Promise<boolean> {
    // Shard channels came with Redis 7.
    const hasShardChannels = this.#place.isCluster && redisMajor >= 7;
    const subcommand = hasShardChannels ? 'SHARDNUMSUB' : 'NUMSUB';
    const [, count] = (await server.call('PUBSUB', subcommand, this.key)) as [string, number];
    return count > 0;
  }

  /** The numbers from 0 to the last one that was answered. */
  get answered(): number[] {
    return Array.from({ length: this.#next }, (_, number) => number);
  }
}
