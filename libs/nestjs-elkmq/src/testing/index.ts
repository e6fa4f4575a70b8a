import { setImmediate as turn } from 'node:timers/promises';
import type { DeadLetter, QueueState } from 'elkmq';
import { MemoryBroker, type WorkerListener } from 'elkmq/internal';
import { ElkMqClient } from '../client/elk-mq.client.js';
import type { RequesterLike } from '../client/outgoing-messages.js';
import { ElkMqServer, type WorkerLike } from '../server/elk-mq.server.js';
import type { ElkMqQueueAddress } from '../address-options.js';
import type {
  ElkMqClientOptions,
  ElkMqClientSettings,
  ElkMqServerOptions,
  ElkMqServerSettings,
} from '../options.js';

/** The options of a test queue. */
export interface ElkMqTestQueueOptions {
  /** The options of the server, such as `retry`, `concurrency` and `serializer`. */
  server?: Partial<ElkMqServerSettings & ElkMqQueueAddress>;
  /** The options of the client, such as `timeout`, `eventTimeout` and `serializer`. */
  client?: Partial<ElkMqClientSettings & ElkMqQueueAddress>;
  /** The first time of the clock, ms since 1970. Default: now. */
  now?: number;
}

/** The number of turns of the event loop in which the results of a change can come about. */
const TURNS = 20;

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

  constructor({ server, client, now = Date.now() }: ElkMqTestQueueOptions = {}) {
    const broker = new MemoryBroker(now);
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
    return this.#broker.running.size;
  }

  /** Moves the clock. Retries and delayed messages come, and requests time out, each at its time. */
  async advance(milliseconds: number): Promise<void> {
    const end = this.now + milliseconds;
    await this.#settle();
    for (let next = this.#broker.nextDue(end); next !== undefined; next = this.#broker.nextDue(end)) {
      this.#broker.now = next;
      this.#broker.expireRequests();
      this.#broker.handOut();
      await this.#settle();
    }
    this.#broker.now = end;
  }

  /** Waits until no message is being handled, without a limit. Messages that are due later stay. */
  async idle(): Promise<void> {
    do await this.#settle();
    while (this.running > 0);
  }

  async #settle(): Promise<void> {
    for (let left = TURNS; left > 0; left--) await turn();
  }
}

class TestServer extends ElkMqServer {
  constructor(
    private readonly broker: MemoryBroker,
    private readonly given: ElkMqServerOptions,
  ) {
    super(given);
  }

  override state(): Promise<QueueState> {
    return Promise.resolve(this.broker.state());
  }

  protected override openWorker(listener: WorkerListener): WorkerLike {
    return {
      connection: undefined as never,
      countRunning: () => this.broker.running.size,
      start: () => {
        this.broker.work(listener, this.given.concurrency);
        listener.status?.('connected');
        return Promise.resolve();
      },
      stop: () => {
        this.broker.work(undefined);
        return Promise.resolve({ running: this.broker.running.size, unsettled: 0 });
      },
    };
  }
}

class TestClient extends ElkMqClient {
  constructor(
    private readonly broker: MemoryBroker,
    options: ElkMqClientOptions,
  ) {
    super(options);
  }

  override state(): Promise<QueueState> {
    return Promise.resolve(this.broker.state());
  }

  protected override openRequester(): RequesterLike {
    return {
      connection: undefined as never,
      connect: () => Promise.resolve(),
      store: (event, options, stored) => {
        stored(this.broker.enqueue(event, options));
      },
      request: (event, timeout, listener, options) => this.broker.request(event, timeout, listener, options),
      close: (error) => {
        this.broker.close(error);
        return Promise.resolve();
      },
    };
  }
}
