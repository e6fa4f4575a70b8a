import { QueueKeys } from './keys.js';
import { partitionNames } from './partitions.js';
import { queueOfSubscription } from './topic-names.js';

/**
 * Names every key of a topic, with its type. The name of the topic is a hash tag on every kind of Redis, so a
 * topic and all its subscriptions are in one slot.
 */
export class TopicKeys {
  /** hash: the table; subscription → its description as JSON, `-NAME` → time of removal, `''` → version */
  readonly subscriptions: string;
  /** hash: `count` of events without a subscription, `action` and `time` of the last one, ms */
  readonly unrouted: string;
  /** hash: subscription → number of messages that retention has deleted */
  readonly trimmed: string;
  /** string with a TTL: the publisher that sees to retention now */
  readonly retentionTurn: string;
  /** string with a TTL: counts the calls that have made ids for messages in lanes */
  readonly laneIds: string;
  /**
   * string: the number of partitions of the topic and of each subscription; it is not there when the topic
   * has none. On Cluster a queue of the same name has its number in another key.
   */
  readonly partitions: string;
  /** this key never exists: commands are tried on it, see redis/rights.ts */
  readonly rights: string;
  readonly #prefix: string;

  constructor(readonly topic: string) {
    this.#prefix = `{${topic}}`;
    this.subscriptions = `${this.#prefix}(subscriptions)`;
    this.unrouted = `${this.#prefix}(unrouted)`;
    this.trimmed = `${this.#prefix}(trimmed)`;
    this.retentionTurn = `${this.#prefix}(retention_turn)`;
    this.laneIds = `${this.#prefix}(lane_ids)`;
    this.partitions = `${this.#prefix}(topic_partitions)`;
    this.rights = `${this.#prefix}(rights)`;
  }

  /** The keys of the queue of a subscription. */
  queueKeys(subscription: string): QueueKeys {
    return new QueueKeys(queueOfSubscription(this.topic, subscription), false);
  }

  /** hash with a TTL: the answer to the last batch of one client process */
  producer(clientId: string): string {
    return `${this.#prefix}(producer):${clientId}`;
  }

  /** string with a TTL: how many copies the first event with this deduplication key had */
  deduplication(key: string): string {
    return `${this.#prefix}(deduplication):topic:${key}`;
  }
}

/**
 * The keys of each partition of a topic. A partition is a topic with its own name, such as `orders#1.78`, its
 * own table, and its own slot of Redis Cluster. Without partitions: the keys of the topic.
 * @param partitions their number; `undefined` when the topic has none
 */
export function topicPartitions(topic: string, partitions: number | undefined): TopicKeys[] {
  const names = partitions === undefined ? [topic] : partitionNames(topic, partitions);
  return names.map((name) => new TopicKeys(name));
}
