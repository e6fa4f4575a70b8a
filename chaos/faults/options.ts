import type { DeliveryMode } from 'nestjs-elkmq';
import { randomInt } from 'node:crypto';
import { CommandLine } from '../../scripts/command-line.js';

export interface Options {
  readonly seed: number;
  /** Of each mode. */
  readonly messages: number;
  /** Of each mode, ms. */
  readonly duration: number;
  /** Between two faults at the most, ms. */
  readonly pause: number;
  /** Whether each message has an ordering key. */
  readonly isOrdered: boolean;
  /** Whether the messages are events of a topic. */
  readonly isTopic: boolean;
  /** Whether the queue has partitions on a Cluster. */
  readonly isPartitioned: boolean;
  readonly modes: readonly DeliveryMode[];
  readonly jsonFile: string | undefined;
}

const MODES: readonly DeliveryMode[] = ['once', 'at-least-once'];
const MESSAGES = 200_000;
const ORDERED_MESSAGES = 300_000;
const UNLIMITED = 1e9;
const QUICK_SECONDS = 20;

const USAGE = `npm run chaos -- [--ordered | --topics | --partitions] [--quick] [--messages N] [--seed S] [--delivery MODE] [--json FILE]

  --ordered        each message has an ordering key; checks the order too, with twice as many workers
  --topics         events of a topic go to four services that come, go and fail, while its table changes
  --partitions     a queue with partitions on a Cluster, whose masters fail and whose slots move
  --quick          ${QUICK_SECONDS} seconds of messages for each mode: about a minute in all
  --messages N     so many messages for each mode; default ${MESSAGES}, with --ordered ${ORDERED_MESSAGES}
  --seed S         repeats the messages and the order of the faults of another run; a whole number below 2^32
  --delivery MODE  only ${MODES.join(' or ')}; default both, one after the other
  --json FILE      also write the result to FILE`;

export function parseOptions(args: string[]): Options {
  const text = { type: 'string' } as const;
  const accepted = {
    ordered: { type: 'boolean' },
    topics: { type: 'boolean' },
    partitions: { type: 'boolean' },
    quick: { type: 'boolean' },
    messages: text,
    seed: text,
    delivery: text,
    json: text,
  } as const;
  const command = new CommandLine(args, accepted, USAGE);
  const {
    ordered = false,
    topics = false,
    partitions = false,
    quick = false,
    messages,
    seed,
    delivery,
    json,
  } = command.flags;
  const enough = quick ? UNLIMITED : ordered ? ORDERED_MESSAGES : MESSAGES;
  if ([ordered, topics, partitions].filter(Boolean).length > 1) {
    command.refuse('only one of --ordered, --topics and --partitions may be given');
  }
  const mode = MODES.find((known) => known === delivery);
  if (delivery !== undefined && !mode) {
    command.refuse(`--delivery ${JSON.stringify(delivery)}: ${MODES.join(' or ')} is expected`);
  }
  return {
    seed: seed === undefined ? randomInt(2 ** 32) : command.wholeNumber('seed', seed, 0, 2 ** 32 - 1),
    messages: messages === undefined ? enough : command.wholeNumber('messages', messages, 1, UNLIMITED),
    duration: quick ? QUICK_SECONDS * 1_000 : 2 ** 31 - 1,
    pause: quick ? 900 : 1_500,
    isOrdered: ordered || partitions,
    isTopic: topics,
    isPartitioned: partitions,
    modes: mode ? [mode] : MODES,
    jsonFile: command.outputFile('json', json),
  };
}
