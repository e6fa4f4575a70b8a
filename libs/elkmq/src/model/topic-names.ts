import { InvalidOptionError } from './errors.js';
import { formatValue } from './options.js';

/** The largest number of subscriptions of a topic. */
export const MAX_SUBSCRIPTIONS = 200;

/** A topic's name becomes a hash tag, and a slash separates it from the name of a subscription. */
const TOPIC_NAME = /^[^/{}]+$/;
/** A minus in front marks a subscription that was removed, so no name begins with one. */
const SUBSCRIPTION_NAME = /^[\w.:][\w.:-]{0,127}$/;
/** The name of the queue of a subscription. */
const QUEUE_NAME = /^\{([^/{}]+)\}\/([\w.:][\w.:-]{0,127})$/;

/**
 * Checks the name of a topic.
 * @throws {InvalidOptionError}
 */
export function parseTopicName(value: unknown): string {
  if (typeof value === 'string' && TOPIC_NAME.test(value) && value.isWellFormed()) return value;
  throw new InvalidOptionError(
    `topic must be a string of well-formed Unicode that is not empty and has no '/', '{' or '}', got ${formatValue(value)}`,
  );
}

/**
 * Checks the name of a subscription.
 * @throws {InvalidOptionError}
 */
export function parseSubscriptionName(value: unknown): string {
  if (typeof value === 'string' && SUBSCRIPTION_NAME.test(value)) return value;
  throw new InvalidOptionError(
    `subscription must be a string of 1 to 128 letters, digits, '_', '.', ':' and '-' that does not begin with '-', got ${formatValue(value)}`,
  );
}

/**
 * Checks the patterns of a subscription.
 * @throws {InvalidOptionError}
 */
export function parsePatterns(value: unknown): string[] {
  const isPattern = (each: unknown): boolean =>
    typeof each === 'string' && each !== '' && each.isWellFormed();
  if (!Array.isArray(value)) {
    throw new InvalidOptionError(`patterns must be an array of strings, got ${formatValue(value)}`);
  }
  const wrong: unknown = value.find((each) => !isPattern(each));
  if (wrong === undefined && !value.includes(undefined)) return [...new Set(value as string[])];
  throw new InvalidOptionError(
    `patterns must be strings of well-formed Unicode that are not empty, got ${formatValue(wrong)}`,
  );
}

/** The name of the queue of a subscription: `{orders}/billing`. */
export function queueOfSubscription(topic: string, subscription: string): string {
  return `{${topic}}/${subscription}`;
}

/** The topic and the subscription to which a queue belongs, if its name is that of a subscription's queue. */
export function subscriptionOfQueue(queue: string): { topic: string; subscription: string } | undefined {
  const [, topic, subscription] = QUEUE_NAME.exec(queue) ?? [];
  return topic === undefined || subscription === undefined ? undefined : { topic, subscription };
}
