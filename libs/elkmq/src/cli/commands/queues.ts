import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueState } from '../../admin/queue-state.js';
import { queues as findQueues } from '../../admin/queues.js';
import { readPartitionKeys } from '../../admin/partition-number.js';
import { readWholeState } from '../../admin/partitioned-state.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../redis/connection.js';
import { RedisSource } from '../../redis/redis-source.js';
import { EXIT, type ExitCode } from '../exit.js';
import { note, print, printJson, printTable, shortText } from '../output.js';
import { redisOf, type CommonOptions } from '../session.js';
import { formatDuration } from '../values.js';

export interface QueuesOptions extends CommonOptions {
  readonly limit: number;
}

export interface TopOptions extends CommonOptions {
  readonly interval: number;
  readonly count?: number;
}

type NamedState = QueueState & { readonly queue: string };

const CLEAR_SCREEN = '\x1b[H\x1b[2J';

/** Lists the queues of a Redis with their states. */
export async function queues(options: QueuesOptions): Promise<ExitCode> {
  const { limit, patience } = options;
  const redis = await redisOf(options);
  const { queues: names, isComplete } = await findQueues(redis, { limit, timeout: patience });
  const [states] = await collect(readStates(names, options, 0, 1));
  if (options.json) printJson({ queues: states, isComplete });
  else {
    printStates(states ?? []);
    if (!isComplete) note('There may be more queues: not all keys of Redis were looked at.');
  }
  return EXIT.fine;
}

/** Shows the states of queues again and again, the longest first. */
export async function top(names: readonly string[], options: TopOptions): Promise<ExitCode> {
  const { interval, count = Infinity, patience: timeout } = options;
  const isScreen = process.stdout.isTTY && !options.json;
  // Without a handler the signal would end the process with another code.
  process.once('SIGINT', () => process.exit(EXIT.fine));
  const known =
    names.length > 0 ? names : (await findQueues(await redisOf(options), { timeout, limit: 200 })).queues;
  for await (const states of readStates(known, options, interval, count)) {
    states.sort((one, other) => other.waiting + other.running - one.waiting - one.running);
    if (options.json) {
      printJson({ at: Date.now(), queues: states });
      continue;
    }
    if (isScreen) process.stdout.write(CLEAR_SCREEN);
    print(new Date().toISOString());
    printStates(states);
  }
  return EXIT.fine;
}

/** Reads the states of queues on one connection, as many times as `count` says. */
async function* readStates(
  names: readonly string[],
  options: CommonOptions,
  intervalMs: number,
  count: number,
): AsyncGenerator<NamedState[]> {
  const source = new RedisSource(await redisOf(options));
  const connection = new Connection(source, COMMAND_TIMEOUT_MS);
  const stateOf = async (queue: string): Promise<NamedState> => {
    const keys = await readPartitionKeys(connection, queue, source.isCluster, options.patience);
    return { queue, ...(await readWholeState(connection, keys, options.patience)) };
  };
  try {
    await connection.whenConnected(options.patience);
    for (let n = 0; n < count; n++) {
      if (n > 0) await sleep(intervalMs);
      yield await Promise.all(names.map(stateOf));
    }
  } finally {
    await connection.closeConnection();
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function printStates(states: readonly NamedState[]): void {
  printTable([
    ['QUEUE', 'WAITING', 'OLDEST', 'RUNNING', 'DELAYED', 'DEAD', 'WORKERS'],
    ...states.map(({ queue, waiting, oldestWaiting, running, delayed, deadLetters, workers }) => [
      shortText(queue),
      waiting,
      waiting === 0 ? '-' : formatDuration(oldestWaiting),
      running,
      delayed,
      deadLetters,
      workers,
    ]),
  ]);
}
