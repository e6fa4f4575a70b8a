import { readTopicNumber } from '../../admin/partition-number.js';
import { describeAway } from '../../admin/partitioned-state.js';
import type { PartitionOptions } from '../../model/partitions.js';
import { parseTopicName } from '../../model/topic-names.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../redis/connection.js';
import { RedisSource, type RedisSourceInput } from '../../redis/redis-source.js';
import { Topic } from '../../topics/topic.js';
import { findTopics } from '../../topics/find-topics.js';
import type { TopicState } from '../../topics/topic-state.js';
import { EXIT, type ExitCode } from '../exit.js';
import { note, printJson, printTable, safeText, shortText } from '../output.js';
import { confirmed, redisOf, type ChangeOptions, type CommonOptions } from '../session.js';
import { formatDuration, formatTime } from '../values.js';

export interface TopicsOptions extends CommonOptions {
  readonly limit: number;
}

export interface SubscribeCommandOptions extends CommonOptions {
  readonly pattern: string[];
}

export interface UnsubscribeOptions extends ChangeOptions {
  readonly pattern?: string[];
}

/** Lists the topics of a Redis. */
export async function listTopics(options: TopicsOptions): Promise<ExitCode> {
  const { limit, patience: timeout, json } = options;
  const { topics, isComplete } = await findTopics(await redisOf(options), { limit, timeout });
  if (json) printJson({ topics, isComplete });
  else {
    printTable([['TOPIC'], ...topics.map((topic) => [shortText(topic)])]);
    if (!isComplete) note('There may be more topics: not all keys of Redis were looked at.');
  }
  return EXIT.fine;
}

/** Shows the subscriptions of a topic with the states of their queues. */
export async function showTopic(name: string, options: CommonOptions): Promise<ExitCode> {
  return withTopic(name, options, async (topic) => {
    const state = await topic.state(options.patience);
    if (options.json) printJson({ topic: name, ...state });
    else printState(state);
    return state.subscriptions.length > 0 && !state.away ? EXIT.fine : EXIT.finding;
  });
}

/** Adds a subscription, or patterns to one. */
export async function subscribe(
  name: string,
  subscription: string,
  options: SubscribeCommandOptions,
): Promise<ExitCode> {
  return withTopic(name, options, async (topic) => {
    await topic.subscribe(subscription, { patterns: options.pattern });
    const now = (await topic.subscriptions()).find((known) => known.name === subscription);
    if (options.json) printJson({ topic: name, ...now });
    else note(`The subscription has the patterns ${safeText((now?.patterns ?? []).join(', '))}.`);
    return EXIT.fine;
  });
}

/** Removes a subscription with its messages, or patterns of one. */
export async function unsubscribe(
  name: string,
  subscription: string,
  options: UnsubscribeOptions,
): Promise<ExitCode> {
  const { pattern } = options;
  return withTopic(name, options, async (topic) => {
    const state = await topic.state(options.patience);
    const found = state.subscriptions.find((known) => known.name === subscription);
    if (!found) {
      note(`The topic has no subscription ${safeText(subscription)}.`);
      return EXIT.finding;
    }
    if (pattern) {
      const count = found.patterns.filter((known) => pattern.includes(known)).length;
      const what = ['patterns would be removed.', 'patterns were removed.'] as const;
      return confirmed(options, count, what, async () => {
        await topic.removePatterns(subscription, pattern);
        return count;
      });
    }
    const count = found.waiting + found.running + found.delayed + found.deadLetters;
    const what = [
      'messages would be deleted, and the subscription removed.',
      'messages were deleted, and the subscription removed.',
    ] as const;
    return confirmed(options, count, what, async () => {
      await topic.unsubscribe(subscription);
      return count;
    });
  });
}

async function withTopic(
  name: string,
  options: CommonOptions,
  use: (topic: Topic) => Promise<ExitCode>,
): Promise<ExitCode> {
  const { patience: timeoutMs } = options;
  const redis = await redisOf(options);
  const partitions = await findPartitions(name, redis, timeoutMs);
  const topic = new Topic(name, redis, { enqueueTimeout: timeoutMs, ...partitions });
  try {
    return await use(topic);
  } finally {
    await topic.close();
  }
}

/** The partitions of a topic, as the options of a `Topic`. */
async function findPartitions(
  name: string,
  redis: RedisSourceInput,
  timeoutMs: number,
): Promise<PartitionOptions> {
  const connection = new Connection(new RedisSource(redis), COMMAND_TIMEOUT_MS);
  try {
    const partitions = await readTopicNumber(connection, parseTopicName(name), timeoutMs);
    return partitions === undefined ? {} : { partitions, partitionsForTests: true };
  } finally {
    await connection.closeConnection();
  }
}

function printState({ subscriptions, unrouted, lastUnrouted, partitions, away = [] }: TopicState): void {
  printTable([
    ['SUBSCRIPTION', 'WAITING', 'OLDEST', 'RUNNING', 'DELAYED', 'DEAD', 'TRIMMED', 'WORKERS', 'PATTERNS'],
    ...subscriptions.map((each) => [
      each.name,
      each.waiting,
      each.waiting === 0 ? '-' : formatDuration(each.oldestWaiting),
      each.running,
      each.delayed,
      each.deadLetters,
      each.trimmed,
      each.workers,
      shortText(each.patterns.join(', ')),
    ]),
  ]);
  if (partitions !== undefined) note(`The topic has ${String(partitions)} partitions.`);
  for (const partition of away) note(`${safeText(describeAway(partition))}.`);
  if (!lastUnrouted) return;
  const { action, at } = lastUnrouted;
  note(
    `${String(unrouted)} events had no subscription, the last one ${safeText(action)} at ${formatTime(at)}.`,
  );
}
