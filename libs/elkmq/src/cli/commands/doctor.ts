import { readPartitionKeys } from '../../admin/partition-number.js';
import { queues as findQueues } from '../../admin/queues.js';
import { scanKeys } from '../../admin/scan-keys.js';
import { ConnectionError, DequeueError, EventQueueError } from '../../model/errors.js';
import { messageOf } from '../../model/thrown.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../redis/connection.js';
import { isReplyError } from '../../redis/redis-errors.js';
import { RedisSource } from '../../redis/redis-source.js';
import { reliably } from '../../redis/reliable-call.js';
import { send } from '../../redis/scripts.js';
import type { Finding } from '../doctor/finding.js';
import { checkQueue, type QueueCheckBounds } from '../doctor/queue-checks.js';
import { checkServer, type ServerFacts, type ServerLimits } from '../doctor/server-checks.js';
import { EXIT, type ExitCode } from '../exit.js';
import { print, printJson, safeText } from '../output.js';
import { redisOf, type CommonOptions } from '../session.js';

export type DoctorOptions = CommonOptions & QueueCheckBounds & ServerLimits;

/** Keys that clients leave to their TTL. */
const TEMPORARY_KEY = /^(.*)\((?:inbox|producer|deduplication)\):/s;
/** The number of keys of Redis that are looked at. */
const MAX_KEYS = 200_000;

/** Looks for what is wrong with a Redis and its queues. */
export async function doctor(given: readonly string[], options: DoctorOptions): Promise<ExitCode> {
  const redis = await redisOf(options);
  const connection = new Connection(new RedisSource(redis), COMMAND_TIMEOUT_MS);
  try {
    await connection.whenConnected(options.patience);
    const notes: Finding[] = [];
    const names = given.length > 0 ? given : await allQueues(options, notes);
    // A Cluster's first connection is replaced when the Cluster has told the names of its servers.
    const check = () => checkServer(connection, options.url, names[0], options);
    const { facts, findings } = await reliably(connection, check, options.patience);
    findings.push(...notes);
    const isUsable = !findings.some(
      ({ check, level }) => level === 'error' && /version|rights|role/.test(check),
    );
    if (isUsable) {
      const checked: string[] = [];
      for (const name of names) {
        findings.push(
          ...(await findingsUnlessRefused(name, async () => {
            checked.push(...(await partitionsOf(connection, name, options.patience)));
            return [];
          })),
        );
      }
      for (const name of checked) {
        const check = () => checkQueue(connection, name, options.patience, options);
        findings.push(...(await findingsUnlessRefused(name, check)));
      }
      const looked = given.length > 0 ? checked : [];
      findings.push(...(await temporaryKeyFindings(connection, looked, options.patience)));
    }
    report(names, facts, findings, options);
    return findings.some(({ level }) => level !== 'note') ? EXIT.finding : EXIT.fine;
  } catch (error) {
    if (error instanceof EventQueueError || isReplyError(error)) throw error;
    throw new ConnectionError(`the connection to Redis was lost: ${messageOf(error)}`, { cause: error });
  } finally {
    await connection.closeConnection();
  }
}

/** Checks a queue. One of which Redis refuses to tell is a finding, and does not hide the others. */
async function findingsUnlessRefused(queue: string, check: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await check();
  } catch (error) {
    if (!(error instanceof DequeueError)) throw error;
    const problem = `the queue cannot be checked: ${error.message}`;
    const advice = 'Find out who has written the key, or which right is missing, and check it again.';
    return [{ level: 'error', check: 'unreadable', queue, problem, advice }];
  }
}

/** The names under which a queue is in Redis: each partition is checked by itself. */
async function partitionsOf(connection: Connection, queue: string, timeoutMs: number): Promise<string[]> {
  const keys = await readPartitionKeys(connection, queue, 'nodes' in connection.client, timeoutMs);
  return keys.map((each) => each.queue);
}

/** Finds all queues. A user of Redis who may not look for them names them. */
async function allQueues(options: DoctorOptions, notes: Finding[]): Promise<string[]> {
  try {
    const { queues, isComplete } = await findQueues(await redisOf(options), {
      timeout: options.patience,
      maxKeys: MAX_KEYS,
    });
    if (!isComplete) notes.push(notAllFinding('Redis has many keys, and not all of them were looked at'));
    return queues;
  } catch (error) {
    if (!(error instanceof DequeueError)) throw error;
    notes.push(notAllFinding('this user may not look for queues (SCAN)'));
    return [];
  }
}

function notAllFinding(why: string): Finding {
  const advice = 'Name the queues: elkmq doctor orders mails.';
  return { level: 'note', check: 'queues', problem: `${why}: queues may be missing here`, advice };
}

/** Keys that should vanish by themselves and do not. */
async function temporaryKeyFindings(
  connection: Connection,
  queues: readonly string[],
  timeoutMs: number,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const ttlOf = (key: string): Promise<unknown> =>
    reliably(connection, (client) => send(client, 'pttl', [key]), timeoutMs);
  try {
    for await (const keys of scanKeys(connection, '*(*):*', MAX_KEYS, timeoutMs)) {
      for (const key of keys) {
        const queue = TEMPORARY_KEY.exec(key)?.[1];
        if (queue === undefined || (queues.length > 0 && !queues.includes(queue.replace(/^\{(.+)\}$/, '$1'))))
          continue;
        if ((await ttlOf(key)) !== -1) continue;
        findings.push({
          level: 'warning',
          check: 'no-ttl',
          queue,
          problem: `the key ${key} has no TTL: it stays for ever, and takes memory`,
          advice: `Find out who has taken its TTL (PERSIST, a restore), and DEL it when its client is gone.`,
        });
      }
    }
  } catch (error) {
    if (!isReplyError(error)) throw error;
    findings.push({
      level: 'note',
      check: 'skipped',
      problem: `this user may not look at all keys (${error.message}): keys that stay for ever are not found`,
      advice: 'Allow it with +scan, and rights to the keys of all queues.',
    });
  }
  return findings;
}

function report(
  queues: readonly string[],
  facts: ServerFacts,
  findings: readonly Finding[],
  { json }: DoctorOptions,
): void {
  if (json) {
    printJson({ ...facts, queues, findings });
    return;
  }
  const { version, role, replicas, latency, clockDifference } = facts;
  print(`Redis ${version ?? '(it does not tell its version)'}, ${role ?? 'role unknown'}`);
  print(`replicas: ${replicas === null ? 'unknown' : String(replicas)}`);
  if (latency) print(`latency: p50 ${String(latency.p50)} ms, p99 ${String(latency.p99)} ms`);
  if (clockDifference !== null) print(`clock difference: ${String(clockDifference)} ms`);
  print(`queues: ${String(queues.length)}`);
  for (const { level, check, queue, problem, advice } of findings) {
    print('');
    print(`${level.toUpperCase()} ${check}${queue === undefined ? '' : ` (queue ${safeText(queue)})`}`);
    print(`  ${safeText(problem)}.`);
    print(`  ${safeText(advice)}`);
  }
  if (findings.length === 0) print('\nNothing is wrong.');
}
