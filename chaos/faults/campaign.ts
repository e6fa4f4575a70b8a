import { Redis } from 'ioredis';
import type { DeliveryMode } from 'nestjs-elkmq';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis, type PrivateRedis } from '../../scripts/redis.js';
import { Proxy } from '../../test/support/proxy.js';
import { Checker, type Verdict } from './checker.js';
import { readFacts } from './facts.js';
import { Lives } from './lives.js';
import { Load } from './load.js';
import { HELD_UP, Member } from './member.js';
import { Random } from '../random.js';
import { keysOf, readRemains, unfinished } from './remains.js';
import { faultsOfOneRedis, Schedule } from './schedule.js';

export interface CampaignOptions {
  readonly seed: number;
  readonly delivery: DeliveryMode;
  readonly messages: number;
  /** The clients send for this long at the most, ms. */
  readonly duration: number;
  /** Between two faults at the most, ms. */
  readonly pause: number;
  /** Whether each message has an ordering key. */
  readonly isOrdered: boolean;
}

export interface CampaignResult extends Verdict {
  readonly delivery: DeliveryMode;
  readonly seed: number;
  readonly seconds: number;
  readonly leftoverKeys: string[];
  /** Processes that have ended by an error that nobody has handled. */
  readonly crashes: string[];
  readonly faults: Record<string, number>;
  /** How often the machine gave a worker no time, so long that it may have lost its leases. */
  readonly heldUp: number;
  /** The folder with the ledger and the logs; only kept when there is something to look into. */
  readonly folder?: string;
}

const QUEUE = 'chaos';
const WORKERS = 4;
/** With ordering keys. */
const ORDERED_WORKERS = 8;
const CLIENTS = 3;
/** Of each role so many have a network that can fail. */
const PROXIED = 2;
/** When nothing breaks any more, everything is handled within this, ms. */
const SETTLING = 90_000;

/** What a run consists of. */
interface Scene {
  readonly folder: string;
  readonly redis: PrivateRedis;
  readonly admin: Redis;
  readonly proxies: readonly Proxy[];
  readonly workers: readonly Member[];
  readonly clients: readonly Member[];
}

/** One run: starts everything, breaks things while messages flow, and checks what became of each message. */
export async function runCampaign(
  options: CampaignOptions,
  say: (what: string) => void,
): Promise<CampaignResult> {
  const scene = await start(options);
  let isClean = false;
  try {
    const result = await run(options, scene, say);
    isClean = isWithoutFault(result);
    return isClean ? result : { ...result, folder: scene.folder };
  } finally {
    for (const member of [...scene.workers, ...scene.clients]) member.kill();
    scene.admin.disconnect();
    await Promise.all(scene.proxies.map((proxy) => proxy.close()));
    await scene.redis.stop();
    if (isClean) await rm(scene.folder, { recursive: true });
  }
}

async function start({ seed, delivery, messages, isOrdered }: CampaignOptions): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'elkmq-chaos-'));
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  const admin = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 100 });
  // Of a server that is down, which is what this is about.
  admin.on('error', () => undefined);
  const proxies = await Promise.all(Array.from({ length: 2 * PROXIED }, () => Proxy.before(redis.url)));
  const free = [...proxies];
  const member = (role: Member['role'], slot: number, step: number) => {
    const proxy = slot < PROXIED ? free.pop() : undefined;
    const url = proxy?.url ?? redis.url;
    const given = { seed, isOrdered, queue: QUEUE, url, folder, delivery, step, end: messages };
    return new Member(role, slot, given, proxy);
  };
  const length = isOrdered ? ORDERED_WORKERS : WORKERS;
  const workers = Array.from({ length }, (_, slot) => member('worker', slot, 1));
  const clients = Array.from({ length: CLIENTS }, (_, slot) => member('client', slot, CLIENTS));
  return { folder, redis, admin, proxies, workers, clients };
}

async function run(
  { seed, delivery, duration, pause, isOrdered }: CampaignOptions,
  { folder, redis, admin, workers, clients }: Scene,
  say: (what: string) => void,
): Promise<CampaignResult> {
  const begin = performance.now();
  const members = [...workers, ...clients];
  await Promise.all(members.map(({ ready }) => ready));
  const { eventStream } = keysOf(QUEUE);
  const targets = { redis, admin, eventStream, workers, clients, random: new Random(seed) };
  const schedule = new Schedule(targets, faultsOfOneRedis(delivery === 'at-least-once' && !isOrdered), pause);
  const breaking = schedule.run((kind) => {
    say(`${((performance.now() - begin) / 1_000).toFixed(1).padStart(7)} s  ${kind}`);
  });

  const sent = Promise.all(clients.map(({ ended }) => ended));
  const enough = new AbortController();
  await Promise.race([sent, breaking, sleep(duration, undefined, { signal: enough.signal, ref: false })]);
  enough.abort();
  schedule.stop();
  await breaking;
  say('nothing breaks any more');
  await finish(clients, sent);
  await drained(admin);
  await Promise.all(workers.map((worker) => worker.stop()));

  const { letters, leftoverKeys } = await readRemains(admin, QUEUE);
  const records = members.flatMap((member) => member.lives);
  const lives = new Lives(records);
  const heldUp = records.flatMap((life) => life.disturbances).filter(({ why }) => why === HELD_UP).length;
  const checker = new Checker(new Load(seed, isOrdered), delivery, lives);
  const verdict = checker.check(readFacts(folder), letters);
  const seconds = Math.round((performance.now() - begin) / 1_000);
  const crashes = lives.crashes();
  return { delivery, seed, seconds, ...verdict, leftoverKeys, crashes, heldUp, faults: schedule.counts };
}

/** Whether there is nothing to look into. */
export function isWithoutFault({ problems, leftoverKeys, crashes }: CampaignResult): boolean {
  return problems.length + leftoverKeys.length + crashes.length === 0;
}

/** Tells the clients, whichever process they are by now, that it is enough. */
export async function finish(clients: readonly Member[], sent: Promise<unknown>): Promise<void> {
  const isSent = sent.then(() => true);
  do {
    for (const client of clients) client.send({ enough: true });
  } while (!(await Promise.race([isSent, sleep(500, false)])));
}

async function drained(admin: Redis): Promise<void> {
  const deadline = performance.now() + SETTLING;
  while ((await unfinished(admin, QUEUE)) > 0 && performance.now() < deadline) await sleep(100);
}
