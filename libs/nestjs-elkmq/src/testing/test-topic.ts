import { InvalidOptionError, type DeadLetter, type QueueState, type ServiceEvent } from 'elkmq';
import {
  checkGivenOptions,
  type ConnectionListener,
  formatValue,
  type MessageOptions,
  MemoryBroker,
  MemoryDeduplication,
  requestRefused,
  Router,
  sumOfStates,
  unroutedError,
} from 'elkmq/internal';
import { ElkMqClient } from '../client/elk-mq.client.js';
import type { RequesterLike } from '../client/outgoing-messages.js';
import type { ElkMqClientOptions, ElkMqClientSettings, ElkMqServerSettings } from '../options.js';
import type { ElkMqServer } from '../server/elk-mq.server.js';
import { openMemoryRequester } from './memory-requester.js';
import { advanceClock, TestServer, untilIdle } from './memory-servers.js';
import { checkPassedOn, parseNow } from './test-options.js';

/** The options of a test topic. */
export interface ElkMqTestTopicOptions<Name extends string> {
  /** The options of the server of each subscription, such as `{ billing: { retry: { attempts: 3 } } }`. */
  subscriptions: Readonly<Record<Name, Partial<ElkMqServerSettings>>>;
  /** The options of the client, such as `requireSubscription`. */
  client?: Partial<ElkMqClientSettings> & { readonly requireSubscription?: boolean };
  /** The first time of the clock, ms since 1970. Default: now. */
  now?: number;
}

/** A subscription of a test topic. */
interface TestSubscription {
  readonly broker: MemoryBroker;
  readonly server: TestServer;
}

/**
 * A topic for tests of services, without Redis. Events go through the real client and servers. Each
 * subscription gets what its server has handlers for. The clock of all of them stands still until it is
 * moved.
 *
 *     const topic = new ElkMqTestTopic({ subscriptions: { billing: {}, mail: {} } });
 *     const app = moduleRef.createNestMicroservice({ strategy: topic.server('billing') });
 *     await app.listen();
 *     topic.client.emit('order.placed', { id: 1 });
 *     await topic.idle();
 */
export class ElkMqTestTopic<Name extends string> {
  /** A client of the topic. It replaces the client of a module that is tested. */
  readonly client: ElkMqClient;
  readonly #subscriptions = new Map<string, TestSubscription>();
  /** The numbers of copies of the first events with a deduplication key, which belongs to the topic. */
  readonly #copies = new MemoryDeduplication<number>();
  #unrouted = 0;

  /** @throws {InvalidOptionError} */
  constructor(options: ElkMqTestTopicOptions<Name>) {
    checkGivenOptions('ElkMqTestTopic', options, ['subscriptions', 'client', 'now']);
    const { subscriptions, client } = options;
    checkSubscriptions(subscriptions);
    checkPassedOn('client', client);
    const now = parseNow(options.now);
    for (const [subscription, given] of Object.entries<Partial<ElkMqServerSettings>>(subscriptions)) {
      const broker = new MemoryBroker(now);
      const server = new TestServer(broker, { ...given, topic: 'test', subscription });
      this.#subscriptions.set(subscription, { broker, server });
    }
    const publish = (event: ServiceEvent, options: MessageOptions): number => this.#publish(event, options);
    this.client = new TestTopicClient(publish, () => this.#state(), { ...client, topic: 'test' });
  }

  /** The time on the clock of the topic, ms since 1970. */
  get now(): number {
    return this.#brokers[0]?.now ?? 0;
  }

  /** The number of events that no server had a handler for. They were dropped. */
  get unrouted(): number {
    return this.#unrouted;
  }

  /** The strategy of the microservice of a subscription. */
  server(subscription: Name): ElkMqServer {
    return this.#find(subscription).server;
  }

  /** The dead letters of a subscription, the oldest first. */
  deadLetters(subscription: Name): readonly DeadLetter[] {
    return this.#find(subscription).broker.deadLetters;
  }

  /**
   * Has the event of a dead letter handled again, as a new event.
   * @returns whether there was such a letter
   */
  retryDeadLetter(subscription: Name, origin: string): boolean {
    return this.#find(subscription).broker.removeDeadLetter(origin, true);
  }

  /**
   * Removes a dead letter, and with it its event.
   * @returns whether there was such a letter
   */
  removeDeadLetter(subscription: Name, origin: string): boolean {
    return this.#find(subscription).broker.removeDeadLetter(origin, false);
  }

  /** The number of events of a subscription that wait for its server or are due later. */
  waiting(subscription: Name): number {
    return this.#find(subscription).broker.messages.length;
  }

  /**
   * Moves the clock. Retries and delayed events come, each at its time.
   * @throws {InvalidOptionError}
   */
  advance(milliseconds: number): Promise<void> {
    return advanceClock(this.#brokers, milliseconds);
  }

  /** Waits until no event is being handled, without a limit. Events that are due later stay. */
  idle(): Promise<void> {
    return untilIdle(this.#brokers);
  }

  get #brokers(): MemoryBroker[] {
    return [...this.#subscriptions.values()].map(({ broker }) => broker);
  }

  #find(subscription: string): TestSubscription {
    const found = this.#subscriptions.get(subscription);
    if (found) return found;
    const known = [...this.#subscriptions.keys()].join(', ');
    throw new InvalidOptionError(
      `the test topic has no subscription ${formatValue(subscription)}; it has ${known}`,
    );
  }

  #state(): QueueState {
    return sumOfStates(this.#brokers.map((broker) => broker.state()));
  }

  /** @returns the number of copies; for a duplicate, those of the first event */
  #publish(event: ServiceEvent, { deduplication, ...options }: MessageOptions): number {
    const first = deduplication && this.#copies.find(deduplication.key, this.now);
    if (first !== undefined) return first;
    const all = [...this.#subscriptions.values()];
    const router = new Router(all.map(({ server }) => server.patterns));
    const routes = router.routesOf(event.action);
    for (const route of routes) all[route]?.broker.enqueue(event, options);
    if (routes.length === 0) this.#unrouted++;
    else if (deduplication) this.#copies.remember(deduplication, routes.length, this.now);
    return routes.length;
  }
}

/** @throws {InvalidOptionError} */
function checkSubscriptions(given: unknown): void {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InvalidOptionError(
      `subscriptions must be an object with the options of each server, such as { billing: {} }, got ${formatValue(given)}`,
    );
  }
  for (const [name, options] of Object.entries(given)) checkPassedOn(`subscriptions.${name}`, options);
}

class TestTopicClient extends ElkMqClient {
  constructor(
    private readonly publishEvent: (event: ServiceEvent, options: MessageOptions) => number,
    private readonly sumState: () => QueueState,
    private readonly given: ElkMqClientOptions & { readonly requireSubscription?: boolean },
  ) {
    super(given);
  }

  protected override readState(): Promise<QueueState> {
    return Promise.resolve(this.sumState());
  }

  protected override openRequester(listener: ConnectionListener): RequesterLike {
    return openMemoryRequester(listener, {
      store: (event, options, stored, failed) => {
        const copies = this.publishEvent(event, options);
        if (copies === 0 && this.given.requireSubscription) failed(unroutedError('test', event.action));
        else stored('test');
      },
      request: (event) => {
        throw requestRefused('test', event.action);
      },
      // A topic has no requests.
      failAll: () => undefined,
    });
  }
}
