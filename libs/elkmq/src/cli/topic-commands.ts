import type { Command } from 'commander';
import { declare, declareChange, type Run } from './common-options.js';
import type { SubscribeCommandOptions, TopicsOptions, UnsubscribeOptions } from './commands/topics.js';
import { parseCount } from './values.js';

/** Declares the commands for topics and their subscriptions. Each loads what it needs when it runs. */
export function addTopicCommands(program: Command, run: Run): void {
  declare(
    program,
    'topics [topic]',
    'List the topics of a Redis, or the subscriptions of one with their states.',
    'topics orders',
  )
    .option('--limit <n>', 'the largest number of topics', parseCount, 1_000)
    .action(async (topic: string | undefined, options: TopicsOptions) => {
      const { listTopics, showTopic } = await import('./commands/topics.js');
      await run(topic === undefined ? listTopics(options) : showTopic(topic, options));
    });

  declare(
    program,
    'subscribe <topic> <subscription>',
    'Add a subscription to a topic, or patterns to one. It also brings back one that was removed.',
    'subscribe orders billing --pattern order.placed "item.*"',
  )
    .requiredOption('--pattern <pattern...>', 'the patterns to add; * is one word, # is any number')
    .action(async (topic: string, subscription: string, options: SubscribeCommandOptions) => {
      const { subscribe } = await import('./commands/topics.js');
      await run(subscribe(topic, subscription, options));
    });

  declareChange(
    program,
    'unsubscribe <topic> <subscription>',
    'Remove a subscription with all its messages, or patterns of one.',
    'unsubscribe orders billing --yes',
  )
    .option('--pattern <pattern...>', 'remove only these patterns; messages stay')
    .action(async (topic: string, subscription: string, options: UnsubscribeOptions) => {
      const { unsubscribe } = await import('./commands/topics.js');
      await run(unsubscribe(topic, subscription, options));
    });
}
