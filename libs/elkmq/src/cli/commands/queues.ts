import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueState } from '../../admin/queue-state.js';
import { queues as findQueues } from '../../admin/queues.js';
import { readPartitionKeys } from '../../admin/partition-number.js';
import { readWholeState } from '../../admin/partitioned-state.js';
import { ConnectionError, EventQueueError } from '../../model/errors.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../redis/connection.js';
import { RedisSource } from '../../redis/redis-source.js';
import { EXIT, type ExitCode } from '../exit.js';
import { note, print, printJson, printTable, safeText, shortText } from '../output.js';
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

/** A queue of the list: its state, or the reason why it cannot be read. */
type ListedQueue = NamedState | { readonly queue: string; readonly error: string };

const CLEAR_SCREEN = '\x1b[H\x1b[2J';

/** Lists the queues of a Redis with their states. */
export async function queues(options: QueuesOptions): Promise<ExitCode> {
  const { limit, patience: timeoutMs } = options;
  const redis = await redisOf(options);
  const { queues: names, isComplete } = await findQueues(redis, { limit, timeout: timeoutMs });
  const [states] = await collect(readStates(names, options, 0, 1));
  if (options.json) printJson({ queues: states, isComplete });
  else {
    printStates(states ?? []);
    if (!isComplete) note('There may be more queues: not all keys of Redis were looked at.');
  }
  return exitCodeFor(states ?? []);
}

/** Shows the states of queues again and again, the longest first. */
export async function top(names: readonly string[], options: TopOptions): Promise<ExitCode> {
  const { interval, count = Infinity, patience: timeout } = options;
  const isScreen = process.stdout.isTTY && !options.json;
  // Without a handler the signal would end the process with another code.
  process.once('SIGINT', () => process.exit(EXIT.fine));
  const known =
    names.length > 0 ? names : (await findQueues(await redisOf(options), { timeout, limit: 200 })).queues;
  let exitCode: ExitCode = EXIT.fine;
  for await (const states of readStates(known, options, interval, count)) {
    exitCode = exitCodeFor(states);
    states.sort((one, other) => lengthOf(other) - lengthOf(one));
    if (options.json) {
      printJson({ at: Date.now(), queues: states });
      continue;
    }
    if (isScreen) process.stdout.write(CLEAR_SCREEN);
    print(new Date().toISOString());
    printStates(states);
  }
  return exitCode;
}

/** Whether Redis refuses to tell the state of a queue. */
function isUnread(state: ListedQueue): state is Exclude<ListedQueue, NamedState> {
  return 'error' in state;
}

function exitCodeFor(states: readonly ListedQueue[]): ExitCode {
  return states.some(isUnread) ? EXIT.redis : EXIT.fine;
}

/** A queue that cannot be read comes after all others. */
function lengthOf(state: ListedQueue): number {
  return isUnread(state) ? -1 : state.waiting + state.running;
}

/**
 * Reads the states of queues on one connection, as many times as `count` says. A queue that cannot be read
 * does not hide the others.
 * @throws {ConnectionError} when Redis is away, so that none can be read
 */
async function* readStates(
  names: readonly string[],
  options: CommonOptions,
  intervalMs: number,
  count: number,
): AsyncGenerator<ListedQueue[]> {
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
      const results = await Promise.allSettled(names.map(stateOf));
      yield listOf(names, results);
    }
  } finally {
    await connection.closeConnection();
  }
}

function listOf(
  names: readonly string[],
  results: readonly PromiseSettledResult<NamedState>[],
): ListedQueue[] {
  const isOneRead = results.some(
    (result) => result.status === 'fulfilled' || !(result.reason instanceof ConnectionError),
  );
  return results.map((result, index): ListedQueue => {
    if (result.status === 'fulfilled') return result.value;
    const error: unknown = result.reason;
    if (!isOneRead || !(error instanceof EventQueueError)) throw error;
    return { queue: names[index] ?? '', error: error.message };
  });
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

function printStates(states: readonly ListedQueue[]): void {
  printTable([
    ['QUEUE', 'WAITING', 'OLDEST', 'RUNNING', 'DELAYED', 'DEAD', 'WORKERS'],
    ...states.map((state) => (isUnread(state) ? [shortText(state.queue), '?'] : rowOf(state))),
  ]);
  for (const state of states)
    if (isUnread(state)) note(`The queue ${shortText(state.queue)} cannot be read: ${safeText(state.error)}`);
}

function rowOf(state: NamedState): (string | number)[] {
  const { queue, waiting, oldestWaiting, running, delayed, deadLetters, workers } = state;
  const oldest = waiting === 0 ? '-' : formatDuration(oldestWaiting);
  return [shortText(queue), waiting, oldest, running, delayed, deadLetters, workers];
}
