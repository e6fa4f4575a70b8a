import type { DeadLetter, QueueState } from 'elkmq';
import { checkGivenOptions, type ConnectionListener, MemoryBroker } from 'elkmq/internal';
import { ElkMqClient } from '../client/elk-mq.client.js';
import type { RequesterLike } from '../client/outgoing-messages.js';
import type { ElkMqServer } from '../server/elk-mq.server.js';
import type { ElkMqQueueAddress } from '../address-options.js';
import type { ElkMqClientOptions, ElkMqClientSettings, ElkMqServerSettings } from '../options.js';
import { openMemoryRequester } from './memory-requester.js';
import { advanceClock, TestServer, untilIdle } from './memory-servers.js';
import { checkPassedOn, parseNow } from './test-options.js';

export { ElkMqTestTopic, type ElkMqTestTopicOptions } from './test-topic.js';

/** The options of a test queue. */
export interface ElkMqTestQueueOptions {
  /** The options of the server, such as `retry`, `concurrency` and `serializer`. */
  server?: Partial<ElkMqServerSettings & ElkMqQueueAddress>;
  /** The options of the client, such as `timeout`, `eventTimeout` and `serializer`. */
  client?: Partial<ElkMqClientSettings & ElkMqQueueAddress>;
  /** The first time of the clock, ms since 1970. Default: now. */
  now?: number;
}

/**
 * A queue for tests of handlers, without Redis. Messages go through the real server and client, with pipes,
 * guards, interceptors, filters, retries and dead letters. Only the queue between them is in memory. Its
 * clock stands still until it is moved.
 *
 *     const queue = new ElkMqTestQueue();
 *     const app = moduleRef.createNestMicroservice({ strategy: queue.server });
 *     await app.listen();
 *     queue.client.emit('order.placed', { id: 1 });
 *     await queue.advance(60_000);
 */
export class ElkMqTestQueue {
  /** The strategy of the microservice that is tested. */
  readonly server: ElkMqServer;
  /** A client of the queue. It replaces the client of a module that is tested. */
  readonly client: ElkMqClient;
  readonly #broker: MemoryBroker;

  /** @throws {InvalidOptionError} */
  constructor(options: ElkMqTestQueueOptions = {}) {
    checkGivenOptions('ElkMqTestQueue', options, ['server', 'client', 'now']);
    const { server, client } = options;
    checkPassedOn('server', server);
    checkPassedOn('client', client);
    const broker = new MemoryBroker(parseNow(options.now));
    this.#broker = broker;
    this.server = new TestServer(broker, { queue: 'test', ...server });
    this.client = new TestClient(broker, { queue: 'test', ...client });
  }

  /** The time on the clock of the queue, ms since 1970. */
  get now(): number {
    return this.#broker.now;
  }

  /** The dead letters, the oldest first. */
  get deadLetters(): readonly DeadLetter[] {
    return this.#broker.deadLetters;
  }

  /** The number of messages that wait for a worker or are due later. */
  get waiting(): number {
    return this.#broker.messages.length;
  }

  /** The number of messages that are being handled. */
  get running(): number {
    return this.#broker.running.length;
  }

  /**
   * Has the message of a dead letter handled again, as a new message.
   * @returns whether there was such a letter
   */
  retryDeadLetter(origin: string): boolean {
    return this.#broker.removeDeadLetter(origin, true);
  }

  /**
   * Removes a dead letter, and with it its message.
   * @returns whether there was such a letter
   */
  removeDeadLetter(origin: string): boolean {
    return this.#broker.removeDeadLetter(origin, false);
  }

  /**
   * Moves the clock. Retries and delayed messages come, and requests time out, each at its time.
   * @throws {InvalidOptionError}
   */
  advance(milliseconds: number): Promise<void> {
    return advanceClock([this.#broker], milliseconds);
  }

  /** Waits until no message is being handled, without a limit. Messages that are due later stay. */
  idle(): Promise<void> {
    return untilIdle([this.#broker]);
  }
}

class TestClient extends ElkMqClient {
  constructor(
    private readonly broker: MemoryBroker,
    options: ElkMqClientOptions,
  ) {
    super(options);
  }

  protected override readState(): Promise<QueueState> {
    return Promise.resolve(this.broker.state());
  }

  protected override openRequester(listener: ConnectionListener): RequesterLike {
    return openMemoryRequester(listener, {
      store: (event, options, stored) => {
        stored(this.broker.enqueue(event, options));
      },
      request: (event, timeout, replies, options) => this.broker.request(event, timeout, replies, options),
      failAll: (error) => {
        this.broker.close(error);
      },
    });
  }
}
