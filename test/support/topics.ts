import { randomUUID } from 'node:crypto';
import { ServiceEvent, Topic, type TopicOptions } from 'elkmq';
import { payloadsOf } from './entries.js';
import { closing, redis, url } from './queue.js';

/** A topic that no other test uses, until the test is over. */
export function newTopic(options: TopicOptions = {}, redisUrl = url, name = `topic-${randomUUID()}`): Topic {
  return closing(new Topic(name, redisUrl, options));
}

/** The number of partitions of a topic of `newPartitionedTopic`. */
export const PARTITIONS = 4;
/** The options by which a topic on one Redis has partitions. */
export const PARTITIONED = { partitions: PARTITIONS, partitionsForTests: true };

/** A topic with partitions that no other test uses, until the test is over. */
export function newPartitionedTopic(options: TopicOptions = {}, name?: string): Topic {
  return newTopic({ ...PARTITIONED, ...options }, url, name);
}

export function event(action: string, payload = 'payload'): ServiceEvent {
  return new ServiceEvent(60, action, payload);
}

/** The name of the queue of a subscription. */
export function queueOf({ name }: Pick<Topic, 'name'>, subscription: string): string {
  return `{${name}}/${subscription}`;
}

/** The payloads that wait for a subscription, oldest first. */
export function waitingFor(topic: Pick<Topic, 'name'>, subscription: string): Promise<unknown[]> {
  return payloadsOf(queueOf(topic, subscription));
}

/** All keys of a topic and of its subscriptions, without the name of the topic. */
export async function keysOfTopic({ name }: Pick<Topic, 'name'>): Promise<string[]> {
  const keys = await redis.keys(`{${name}}*`);
  return keys.map((key) => key.slice(name.length + 2)).sort();
}
