import { describeLimits } from '../../admin/queue-limits.js';
import { describePause } from '../../admin/queue-pause.js';
import { readQueueState, type QueueState } from '../../admin/queue-state.js';
import { readWorkers, type WorkerInfo } from '../../admin/worker-info.js';
import { GROUP, QueueKeys } from '../../model/keys.js';
import { DEFAULTS } from '../../model/options.js';
import { queueOfPartition } from '../../model/partitions.js';
import type { Connection } from '../../redis/connection.js';
import { isForbidden, isNoGroup } from '../../redis/redis-errors.js';
import { reliably } from '../../redis/reliable-call.js';
import { send } from '../../redis/scripts.js';
import { formatDuration } from '../values.js';
import type { Finding } from './finding.js';
import { leaseOf } from '../../consumer/consumer-name.js';

export interface QueueCheckBounds {
  /** The longest time for which a message may wait, ms. */
  readonly maxOldest: number;
}

/** A delayed message is put into the queue within a second or two. */
const OVERDUE_MS = 10_000;
/** Others take over after two leases, and one more for a busy machine. */
const LEASES_UNTIL_TAKEN_OVER = 3;
/** The number of running messages that are looked at. */
const MOST_RUNNING = 1_000;

/** Checks one queue, or one partition of a queue: its keys, its workers, and what is stuck. */
export async function checkQueue(
  connection: Connection,
  queue: string,
  timeoutMs: number,
  limits: QueueCheckBounds,
): Promise<Finding[]> {
  const keys = new QueueKeys(queue, 'nodes' in connection.client);
  const read = (command: string, ...args: (string | number)[]): Promise<unknown> =>
    reliably(connection, (client) => send(client, command, args), timeoutMs);
  // The state cannot be read where a key has another type.
  const types = await typeFindings(queue, keys, read);
  if (types.some(({ level }) => level === 'error')) return types;
  const state = await readQueueState(connection, keys, timeoutMs);
  const workers = await readWorkers(connection, keys, timeoutMs);
  const [seconds] = (await read('time')) as [string];
  return [
    ...types,
    ...waitingFindings(queue, state, limits),
    ...olderFindings(queue, state),
    ...(await overdueFindings(queue, keys, Number(seconds) * 1_000, read)),
    ...(await abandonedFindings(queue, keys, workers, read)),
    ...handlerFindings(queue, workers),
    ...(await movingFindings(queue, keys, read)),
    ...letterFindings(queue, state.deadLetters),
  ];
}

type Read = (command: string, ...args: (string | number)[]) => Promise<unknown>;

async function typeFindings(queue: string, keys: QueueKeys, read: Read): Promise<Finding[]> {
  const expected: [string, string][] = [
    [keys.eventStream, 'stream'],
    [keys.responseStream, 'stream'],
    [keys.delayed, 'zset'],
    [keys.delayedBodies, 'hash'],
    [keys.deadLetters, 'zset'],
    [keys.deadLetterBodies, 'hash'],
    [keys.workers, 'hash'],
    [keys.cancelled, 'zset'],
    [keys.lanes, 'hash'],
    [keys.laneBodies, 'hash'],
    [keys.control, 'hash'],
    [keys.moving, 'stream'],
    [keys.arrived, 'hash'],
    [keys.messageQueue, 'list'],
  ];
  const findings: Finding[] = [];
  for (const [key, type] of expected) {
    const found = await typeOf(key, read);
    if (found === undefined) return [skippedFinding(queue)];
    if (found === type || found === 'none') continue;
    findings.push({
      level: 'error',
      check: 'key-type',
      queue,
      problem: `the key ${key} is a ${found}, and a ${type} is expected: calls that need it fail with WRONGTYPE`,
      advice: `Find out who writes it, and RENAME or DEL it.`,
    });
  }
  return findings;
}

function skippedFinding(queue: string): Finding {
  return {
    level: 'note',
    check: 'skipped',
    queue,
    problem: 'this user may not ask for the types of keys (TYPE): a key of another type is not found',
    advice: 'Allow it with +type.',
  };
}

/** The type of a key; `undefined` where the user may not ask for it. */
async function typeOf(key: string, read: Read): Promise<string | undefined> {
  try {
    return String(await read('type', key));
  } catch (error) {
    if (isForbidden(error, 'type')) return undefined;
    throw error;
  }
}

function waitingFindings(
  queue: string,
  { waiting, workers, oldestWaiting, paused, waitsFor, limits }: QueueState,
  { maxOldest }: QueueCheckBounds,
): Finding[] {
  if (paused)
    return [
      {
        level: 'warning',
        check: 'paused',
        queue,
        problem: `the queue ${describePause(paused)}: workers take nothing, ${String(waiting)} messages wait, and requests may expire`,
        advice: '`elkmq resume` lets it go on.',
      },
    ];
  if (waitsFor !== undefined)
    return [
      {
        level: 'warning',
        check: 'waits-for-predecessor',
        queue,
        problem: `the queue waits for '${waitsFor}': workers take nothing until that is empty, ${String(waiting)} messages wait, and requests may expire`,
        advice: `Look what is left in '${waitsFor}', and whether it has workers.`,
      },
    ];
  if (waiting === 0) return [];
  const age = formatDuration(oldestWaiting);
  if (workers === 0)
    return [
      {
        level: 'error',
        check: 'no-worker',
        queue,
        problem: `${String(waiting)} messages wait, the first one for ${age}, and no worker is registered: nobody takes them, unless an EventQueue does`,
        advice: 'Start a worker with this queue and this Redis, or look why it has stopped.',
      },
    ];
  if (oldestWaiting <= maxOldest) return [];
  return [
    {
      level: 'warning',
      check: 'oldest',
      queue,
      problem: `the first of ${String(waiting)} waiting messages has waited for ${age}: workers do not keep up, and messages may expire`,
      advice: limits
        ? `The queue has limits (${describeLimits(limits)}): raise them with \`elkmq limits\` if that is too little.`
        : 'Start more workers or raise concurrency; `elkmq peek --state running` shows what keeps them busy.',
    },
  ];
}

function olderFindings(queue: string, { olderWorkers = 0 }: QueueState): Finding[] {
  if (olderWorkers === 0) return [];
  return [
    {
      level: 'warning',
      check: 'older-worker',
      queue,
      problem: `workers that know no ordering keys: ${String(olderWorkers)}, and messages have keys: messages of a key can run at once and out of order, and a key can stop for a minute`,
      advice: 'Upgrade all workers before clients send ordering keys; `elkmq workers` shows their versions.',
    },
  ];
}

async function overdueFindings(queue: string, keys: QueueKeys, now: number, read: Read): Promise<Finding[]> {
  const [, due] = (await read('zrange', keys.delayed, 0, 0, 'WITHSCORES')) as string[];
  const late = now - Number(due);
  if (due === undefined || !(late > OVERDUE_MS)) return [];
  return [
    {
      level: 'error',
      check: 'overdue',
      queue,
      problem: `a delayed message was due ${formatDuration(late)} ago: no worker puts delayed messages into the queue, so none runs`,
      advice: 'Start a worker with this queue, or look why it has stopped.',
    },
  ];
}

async function abandonedFindings(
  queue: string,
  keys: QueueKeys,
  workers: readonly WorkerInfo[],
  read: Read,
): Promise<Finding[]> {
  let pending: [id: string, consumer: string, idle: number, deliveries: number][];
  try {
    pending = (await read('xpending', keys.eventStream, GROUP, '-', '+', MOST_RUNNING)) as typeof pending;
  } catch (error) {
    if (isNoGroup(error)) return [];
    throw error;
  }
  const abandoned = pending.filter(
    ([, consumer, idle]) => idle > LEASES_UNTIL_TAKEN_OVER * leaseOf(consumer, DEFAULTS.lease),
  );
  const [first] = abandoned;
  if (!first) return [];
  const [id, consumer, idle] = first;
  const isKnown = workers.some(({ name }) => consumer.startsWith(`${name}.`));
  return [
    {
      level: 'error',
      check: 'abandoned',
      queue,
      problem: `${String(abandoned.length)} running messages are held by consumers that have not renewed their lease, such as ${id} by ${consumer} for ${formatDuration(idle)}: ${isKnown ? 'that worker hangs' : 'that worker has gone'}, and no other one takes them over`,
      advice: 'Start a worker with this queue: it takes them over within two leases.',
    },
  ];
}

function handlerFindings(queue: string, workers: readonly WorkerInfo[]): Finding[] {
  const [first, ...others] = workers;
  const other = others.find(({ handlers }) => handlers.join('\n') !== first?.handlers.join('\n'));
  if (!first || !other) return [];
  const nameOf = ({ host, pid }: WorkerInfo): string => `${host}, pid ${String(pid)}`;
  return [
    {
      level: 'warning',
      check: 'handlers',
      queue,
      problem: `the workers on ${nameOf(first)} and ${nameOf(other)} have different handlers: a message goes to any of them, and one without its handler makes it a dead letter`,
      advice: 'Give each service a queue of its own, or wait until a deployment is through.',
    },
  ];
}

async function movingFindings(queue: string, { moving }: QueueKeys, read: Read): Promise<Finding[]> {
  const count = Number(await read('xlen', moving));
  if (count === 0) return [];
  const first = (await read('xrange', moving, '-', '+', 'COUNT', 1)) as [string, string[]][];
  const to = first[0]?.[1][1] ?? '';
  const from = queueOfPartition(queue)?.queue ?? queue;
  return [
    {
      level: 'warning',
      check: 'moving',
      queue,
      problem: `${String(count)} messages are on their way to another queue, the first one to ${to}: unless somebody moves messages now, a move has ended early, and no worker takes them`,
      advice: `Deliver them with \`elkmq move ${from} --to ${to} --rest --yes\`.`,
    },
  ];
}

function letterFindings(queue: string, deadLetters: number): Finding[] {
  if (deadLetters === 0) return [];
  const { max } = DEFAULTS.deadLetters;
  const isFull = deadLetters >= max;
  return [
    {
      level: isFull ? 'warning' : 'note',
      check: 'dead-letters',
      queue,
      problem: isFull
        ? `there are ${String(deadLetters)} dead letters: with the default of ${String(max)}, each further one drops the oldest`
        : `${String(deadLetters)} messages were not handled and are kept as dead letters`,
      advice: 'Look at them with `elkmq dead ls`; then retry or remove them.',
    },
  ];
}
