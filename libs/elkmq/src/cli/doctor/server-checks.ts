import { QueueKeys } from '../../model/keys.js';
import { checkRedis, infoOf } from '../../redis/check.js';
import type { Connection } from '../../redis/connection.js';
import { ConnectionError } from '../../model/errors.js';
import { needsOfClient, needsOfWorker, pushingNeed } from '../../redis/needs.js';
import { findRefusals } from '../../redis/rights.js';
import { send } from '../../redis/scripts.js';
import { formatDuration } from '../values.js';
import { findingOf, type Finding } from './finding.js';

export interface ServerLimits {
  /** The largest p99 of the latency, ms. */
  readonly maxLatency: number;
  /** The largest difference between the clocks, ms. */
  readonly maxClock: number;
}

/** The facts about the server, beside the findings. */
export interface ServerFacts {
  version: string | null;
  role: string | null;
  replicas: number | null;
  /** ms */
  latency: { p50: number; p99: number } | null;
  /** The clock of Redis less that of this process, ms. */
  clockDifference: number | null;
}

/** The number of calls by which the latency is measured. */
const CALLS = 200;
/** The queue whose keys are used to try the rights, when none is known. */
const NO_QUEUE = 'elkmq-doctor';
/** The part of the memory above which the next messages are in danger. */
const MEMORY_IN_DANGER = 0.9;

/** Checks the server: its settings, the rights of its user, its answers. */
export async function checkServer(
  connection: Connection,
  url: string,
  queue: string | undefined,
  limits: ServerLimits,
): Promise<{ facts: ServerFacts; findings: Finding[] }> {
  const { client } = connection;
  const info = await infoOf(client);
  const facts: ServerFacts = {
    version: info.get('valkey_version') ?? info.get('redis_version') ?? null,
    role: info.get('role') ?? null,
    replicas: info.has('connected_slaves') ? Number(info.get('connected_slaves')) : null,
    latency: null,
    clockDifference: null,
  };
  const findings = [...transportFindings(url), ...healthFindings(info)];
  // A replica refuses the trial of each command that writes.
  if (facts.role === 'slave') return { facts, findings };
  try {
    findings.push(...(await checkRedis(client)).map((warning) => findingOf('warning', 'settings', warning)));
  } catch (error) {
    if (!(error instanceof ConnectionError)) throw error;
    findings.push({
      level: 'error',
      check: 'version',
      problem: error.message,
      advice: 'Update Redis to 6.0 or later.',
    });
    return { facts, findings };
  }
  findings.push(...(await rightsFindings(connection, queue)));
  if (findings.some(({ check, level }) => check === 'rights' && level === 'error'))
    return { facts, findings };
  facts.latency = await latencyOf(connection);
  const { p99 } = facts.latency;
  if (p99 > limits.maxLatency)
    findings.push({
      level: 'warning',
      check: 'latency',
      problem: `one of 100 answers of Redis takes ${formatDuration(p99)} or longer: each message needs several, so all is slow`,
      advice: 'Move the workers nearer to Redis, or look for slow commands with SLOWLOG GET.',
    });
  facts.clockDifference = await clockDifferenceOf(connection, facts.latency.p50);
  if (Math.abs(facts.clockDifference) > limits.maxClock)
    findings.push({
      level: 'warning',
      check: 'clock',
      problem: `the clock of Redis differs from that of this machine by ${formatDuration(Math.abs(facts.clockDifference))}: deadlines count on the clock of Redis, and times in logs do not fit`,
      advice: 'Synchronise both clocks with NTP.',
    });
  return { facts, findings };
}

function transportFindings(url: string): Finding[] {
  const { protocol, hostname, password } = new URL(url);
  const isLocal = /^(?:localhost|127\..*|\[::1\])$/.test(hostname);
  if (protocol !== 'redis:' || isLocal) return [];
  const what = password === '' ? 'messages' : 'the password and messages';
  return [
    {
      level: 'warning',
      check: 'tls',
      problem: `the connection to ${hostname} is not encrypted: ${what} can be read on the way`,
      advice: 'Use rediss:// and a Redis with TLS, unless the network is private.',
    },
  ];
}

function healthFindings(info: ReadonlyMap<string, string>): Finding[] {
  const findings: Finding[] = [];
  if (info.get('role') === 'slave')
    findings.push({
      level: 'error',
      check: 'role',
      problem: 'this Redis is a replica: it refuses every write, so nothing is stored and taken',
      advice: 'Give the URL of the master, or use Sentinel or Cluster.',
    });
  const [used, most] = [Number(info.get('used_memory') ?? 0), Number(info.get('maxmemory') ?? 0)];
  if (most > 0 && used > most * MEMORY_IN_DANGER)
    findings.push({
      level: used >= most ? 'error' : 'warning',
      check: 'memory',
      problem: `Redis uses ${String(Math.round((used / most) * 100))} % of its maxmemory: when it is full, it refuses messages or evicts keys`,
      advice: 'Raise maxmemory, take what waits with more workers, or bound queues with maxQueueLength.',
    });
  const isBroken = [info.get('rdb_last_bgsave_status'), info.get('aof_last_write_status')].includes('err');
  if (isBroken)
    findings.push({
      level: 'error',
      check: 'disk',
      problem: 'Redis could not write to its disk: it refuses writes, or loses messages when it restarts',
      advice: 'Look into the log of Redis; free its disk.',
    });
  return findings;
}

async function rightsFindings(connection: Connection, queue: string | undefined): Promise<Finding[]> {
  const isCluster = 'nodes' in connection.client;
  const { rights } = new QueueKeys(queue ?? NO_QUEUE, isCluster);
  const options = { legacyConsumers: false, minReplicas: 0 };
  const found: Finding[] = [];
  for (const all of [needsOfClient(options, isCluster), needsOfWorker(isCluster)]) {
    // A user who may use the channels of some queues is refused that of any other.
    const needs = queue === undefined ? all.filter((need) => need !== pushingNeed(isCluster)) : all;
    const { essential, warnings } = await findRefusals(connection.client, rights, needs);
    if (essential !== undefined) found.push(findingOf('error', 'rights', essential));
    found.push(...warnings.map((warning) => findingOf('warning', 'rights', warning)));
  }
  return found.filter(
    ({ problem }, index) => found.findIndex((other) => other.problem === problem) === index,
  );
}

async function latencyOf({ client }: Connection): Promise<{ p50: number; p99: number }> {
  const times: number[] = [];
  for (let n = 0; n < CALLS; n++) {
    const start = performance.now();
    await send(client, 'time', []);
    times.push(performance.now() - start);
  }
  times.sort((one, other) => one - other);
  const at = (part: number): number => Math.round((times[Math.floor(part * CALLS)] ?? 0) * 1_000) / 1_000;
  return { p50: at(0.5), p99: at(0.99) };
}

async function clockDifferenceOf({ client }: Connection, roundTrip: number): Promise<number> {
  const [seconds, microseconds] = (await send(client, 'time', [])) as [string, string];
  const time = Number(seconds) * 1_000 + Number(microseconds) / 1_000;
  return Math.round(time + roundTrip / 2 - Date.now());
}
