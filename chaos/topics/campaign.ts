import { Redis } from 'ioredis';
import { EventQueue, Topic, type DeliveryMode, type TopicState } from 'nestjs-elkmq';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis, type PrivateRedis } from '../../scripts/redis.js';
import { Proxy } from '../../test/support/proxy.js';
import { finish, type CampaignOptions } from '../faults/campaign.js';
import { Member } from '../faults/member.js';
import { faultsOfOneRedis, Schedule } from '../faults/schedule.js';
import { Random } from '../random.js';
import { checkTopic, type Subscribed, type TopicVerdict } from './checker.js';
import { FROM_THE_START, PATTERN, SERVICES, TOPIC, WORKERS_EACH, type Service } from './roles.js';
import { TableChanger } from './table-changer.js';

export interface TopicResult extends TopicVerdict {
  readonly delivery: DeliveryMode;
  readonly seed: number;
  readonly seconds: number;
  readonly tableChanges: number;
  /** The median of the seconds in which Redis answered. */
  readonly tableChangesPerSecond: number;
  readonly unrouted: number;
  readonly unfinished: number;
  readonly leftoverKeys: string[];
  readonly faults: Record<string, number>;
  /** The folder with the ledger and the logs; only kept when there is something to look into. */
  readonly folder: string;
}

const CLIENTS = 3;
/** Of the clients, and of the workers, so many have a network that can fail. */
const PROXIED = 2;
/** When nothing breaks any more, everything is handled within this, ms. */
const SETTLING = 120_000;
/** The time after the beginning at which services come that are not there from the start, as shares of the run. */
const LATE_AT = 1 / 3;
const AWAY_UNTIL = 1 / 2;
/** A quick run is as long as its time; one of many events is taken to last so long, ms. */
const USUAL_MS = 36_000;

/** One run: services come and go, and things break, while events are published. */
export async function runTopicCampaign(
  options: CampaignOptions,
  say: (what: string) => void,
): Promise<TopicResult> {
  const folder = await mkdtemp(join(tmpdir(), 'elkmq-chaos-topics-'));
  const redis = await startRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] });
  const admin = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 100 });
  admin.on('error', () => undefined);
  const topic = new Topic(TOPIC, redis.url, { enqueueTimeout: 60_000 });
  const proxies = await Promise.all(Array.from({ length: 2 * PROXIED }, () => Proxy.before(redis.url)));
  const members: Member[] = [];
  try {
    return await run(options, { folder, redis, admin, topic, proxies, members }, say);
  } finally {
    for (const member of members) member.kill();
    await topic.close();
    admin.disconnect();
    await Promise.all(proxies.map((proxy) => proxy.close()));
    await redis.stop();
  }
}

interface Scene {
  readonly folder: string;
  readonly redis: PrivateRedis;
  readonly admin: Redis;
  readonly topic: Topic;
  readonly proxies: readonly Proxy[];
  readonly members: Member[];
}

async function run(
  { seed, delivery, messages, duration, pause }: CampaignOptions,
  { folder, redis, admin, topic, proxies, members }: Scene,
  say: (what: string) => void,
): Promise<TopicResult> {
  const begin = performance.now();
  const since = (): string => `${((performance.now() - begin) / 1_000).toFixed(1).padStart(7)} s`;
  const free = [...proxies];
  const scripts = new URL('./', import.meta.url);
  const start = (role: Member['role'], slot: number, step: number, isProxied: boolean): Member => {
    const proxy = isProxied ? free.pop() : undefined;
    const given = { seed, isOrdered: false, queue: TOPIC, url: proxy?.url ?? redis.url, folder, delivery };
    const member = new Member(role, slot, { ...given, step, end: messages }, proxy, scripts);
    members.push(member);
    return member;
  };
  const startService = (service: Service): Member[] =>
    Array.from({ length: WORKERS_EACH }, (_, index) => {
      const slot = SERVICES.indexOf(service) * WORKERS_EACH + index;
      return start('worker', slot, 1, service === 'steady');
    });

  for (const service of FROM_THE_START) await topic.subscribe(service, { patterns: [PATTERN] });
  const workers = [...startService('steady'), ...startService('failing')];
  const clients = Array.from({ length: CLIENTS }, (_, slot) =>
    start('client', slot, CLIENTS, slot < PROXIED),
  );
  await Promise.all(members.map(({ ready }) => ready));

  const targets = { redis, admin, eventStream: '', workers, clients, random: new Random(seed) };
  const schedule = new Schedule(targets, faultsOfOneRedis(false), pause);
  const breaking = schedule.run((kind) => {
    say(`${since()}  ${kind}`);
  });
  const changer = new TableChanger(topic);
  const length = Math.min(duration, USUAL_MS);
  const over = new AbortController();
  const wait = (ms: number) => sleep(ms, undefined, { signal: over.signal }).catch(() => undefined);
  const arriving = (async (): Promise<Subscribed> => {
    await wait(length * LATE_AT);
    const notBefore = Date.now();
    const late = startService('late');
    await Promise.race(late.map(({ ready }) => ready));
    const notAfter = Date.now();
    say(`${since()}  'late' has subscribed`);
    await wait(length * (AWAY_UNTIL - LATE_AT));
    workers.push(...late, ...startService('away'));
    say(`${since()}  'away' is there`);
    return { notBefore, notAfter };
  })();

  const sent = Promise.all(clients.map(({ ended }) => ended));
  await Promise.race([sent, sleep(duration, undefined, { signal: over.signal, ref: false })]);
  over.abort();
  schedule.stop();
  await breaking;
  const subscribed = await arriving;
  say(`${since()}  nothing breaks any more`);
  await finish(clients, sent);
  await changer.stop();
  const unfinished = await drained(topic);
  await Promise.all(workers.map((worker) => worker.stop()));

  const letters = new Map<Service, ReadonlyMap<number, string>>();
  for (const service of SERVICES) letters.set(service, await lettersOf(service, redis.url));
  const verdict = checkTopic(folder, letters, subscribed);
  const { unrouted } = await topic.state();
  const leftoverKeys = (await admin.keys(`{${TOPIC}}/*`)).filter(isLeftOver);
  const seconds = Math.round((performance.now() - begin) / 1_000);
  const { changes: tableChanges, changesPerSecond: tableChangesPerSecond } = changer;
  const counts = {
    tableChanges,
    tableChangesPerSecond,
    unrouted,
    unfinished,
    leftoverKeys,
    faults: schedule.counts,
  };
  const result = { delivery, seed, seconds, ...verdict, ...counts, folder };
  if (isTopicGood(result)) await rm(folder, { recursive: true });
  return result;
}

/** Whether everything was as it should be. */
export function isTopicGood(result: TopicResult): boolean {
  const { services, divided, unrouted, unfinished, leftoverKeys, delivery } = result;
  const areGood = Object.values(services).every(
    ({ handled, lost, strange, handledTwice }) =>
      // A service that has had nothing shows nothing.
      handled > 0 && lost === 0 && strange === 0 && (delivery !== 'once' || handledTwice === 0),
  );
  return areGood && divided + unrouted + unfinished + leftoverKeys.length === 0;
}

/** @returns the number of events that are not finished when the time is over */
async function drained(topic: Topic): Promise<number> {
  const deadline = performance.now() + SETTLING;
  const left = ({ subscriptions }: TopicState): number =>
    subscriptions.reduce((sum, { waiting, running, delayed }) => sum + waiting + running + delayed, 0);
  let count = left(await topic.state());
  while (count > 0 && performance.now() < deadline) {
    await sleep(200);
    count = left(await topic.state());
  }
  return count;
}

async function lettersOf(service: Service, url: string): Promise<Map<number, string>> {
  const queue = new EventQueue(`{${TOPIC}}/${service}`, url);
  const letters = new Map<number, string>();
  for await (const { event, reason } of queue.deadLetters.all()) {
    const { number } = JSON.parse(event?.payload ?? '{}') as { number?: number };
    if (number !== undefined) letters.set(number, reason);
  }
  await queue.close();
  return letters;
}

/** What is left of a service is its empty stream with the group, and its dead letters. */
function isLeftOver(key: string): boolean {
  const service = SERVICES.find((name) => key.startsWith(`{${TOPIC}}/${name}(`));
  return (
    !service || !/\((?:event_stream|dead_letters|dead_letter_bodies|workers|lane_sweep|rates)\)$/.test(key)
  );
}
