import { InvalidOptionError, type Retention } from 'elkmq';
import {
  formatValue,
  parsePartitions,
  parseQueueName,
  parseRetention,
  parseSubscriptionName,
  parseTopicName,
  publishingOptions,
  QueueKeys,
  queueOfSubscription,
  sendingOptions,
  type PartitionOptions,
  type SendingOptions,
} from 'elkmq/internal';

/** Names a queue. */
export interface ElkMqQueueAddress extends PartitionOptions {
  /** The name of the queue. Clients and servers with the same name share the queue. */
  queue: string;
}

/** Names a topic, for a client. */
export interface ElkMqTopicAddress extends PartitionOptions {
  /**
   * The name of a topic, in place of a queue. `emit` publishes to every subscription that has a handler for
   * the pattern. `send` fails.
   */
  topic: string;
  /**
   * Whether an `emit` that no subscription has a handler for fails with an `UnroutedError`. Otherwise the
   * event is dropped and counted, and the log says so. Default false.
   */
  requireSubscription?: boolean;
}

/** Names a subscription of a topic, for a server. */
export interface ElkMqSubscriptionAddress extends PartitionOptions {
  /** The name of a topic, in place of a queue. */
  topic: string;
  /**
   * The name of the service among those that get the events of the topic, such as `billing`. Servers with the
   * same name share the events. `listen` adds the patterns of the event handlers to the subscription.
   */
  subscription: string;
  /**
   * The limits of what is kept for the subscription while no server takes it: `max` messages (default
   * 1,000,000), for `maxAge` ms (default 7 days). Each partition keeps its share of `max`. What is not given
   * stays as it is.
   */
  retention?: Partial<Retention>;
}

/** The topic of a client, if it has one, and how it sends. */
export function sendingTo(given: SendingOptions & Address, isCluster: boolean) {
  if (given.topic === undefined) {
    refuseGiven(given, ['requireSubscription'], 'without a topic');
    return { topic: undefined, sending: sendingOptions(given, isCluster) };
  }
  return { topic: parseTopicName(given.topic), sending: publishingOptions(given, isCluster) };
}

/** The subscription that a server serves, if it serves one. */
export function servedSubscription(given: Address) {
  if (given.topic === undefined) {
    refuseGiven(given, ['subscription', 'retention'], 'without a topic');
    return undefined;
  }
  refuseGiven(given, ['legacyConsumers'], 'with a topic');
  return {
    topic: parseTopicName(given.topic),
    name: parseSubscriptionName(given.subscription),
    retention: given.retention === undefined ? undefined : parseRetention(given.retention),
  };
}

/** The number of partitions of a queue or a topic, if it has any. */
export function partitionsOf(given: Address, queue: string, isCluster: boolean): number | undefined {
  const partitions = parsePartitions(queue, given as PartitionOptions, isCluster);
  if (partitions !== undefined) refuseGiven(given, ['legacyConsumers'], 'with partitions');
  return partitions;
}

/**
 * The queue that must be empty before this one is served, if there is one.
 * @throws {InvalidOptionError}
 */
export function predecessorOf(given: Address, queue: string, isCluster: boolean): string | undefined {
  const { after, topic, legacyConsumers } = given;
  if (after === undefined) return undefined;
  if (topic !== undefined) refuseGiven(given, ['after'], 'with a topic');
  if (legacyConsumers === true) refuseGiven(given, ['after'], 'with legacyConsumers');
  const isName = typeof after === 'string' && after !== '' && after.isWellFormed();
  const eventStreamOf = (name: string): string => new QueueKeys(name, isCluster).eventStream;
  if (isName && eventStreamOf(after) !== eventStreamOf(queue)) return after;
  throw new InvalidOptionError(
    `after must be the name of another queue than ${formatValue(queue)}, got ${formatValue(after)}`,
  );
}

function refuseGiven(given: object, names: readonly string[], when: string): void {
  for (const name of names) {
    const value = (given as Record<string, unknown>)[name];
    if (value === undefined) continue;
    throw new InvalidOptionError(`${name} must not be given ${when}, got ${formatValue(value)}`);
  }
}

/** The name under which the log and the telemetry know what a client or a server serves. */
export function queueNameOf({ queue, topic, subscription }: Address): string {
  if (topic === undefined) {
    if (queue === '') throw new InvalidOptionError('queue must not be empty');
    return parseQueueName(queue);
  }
  if (queue !== undefined) throw new InvalidOptionError('queue and topic must not both be given');
  const name = parseTopicName(topic);
  return subscription === undefined ? name : queueOfSubscription(name, parseSubscriptionName(subscription));
}

/** All that the name of a queue, a topic or a subscription can consist of. JavaScript can give any of it. */
export interface Address {
  readonly queue?: unknown;
  readonly topic?: unknown;
  readonly subscription?: unknown;
  readonly retention?: unknown;
  readonly after?: unknown;
  readonly legacyConsumers?: unknown;
  readonly partitions?: unknown;
  readonly partitionsForTests?: unknown;
}
