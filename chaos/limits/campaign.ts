import { Redis } from 'ioredis';
import { ElkMqClient, QueueAdmin, type QueueLimits } from 'nestjs-elkmq';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import { startRedis } from '../../scripts/redis.js';
import type { Random } from '../random.js';
import { countHandlers, type Counts } from './count.js';
import { Crew } from './crew.js';

export interface Part {
  readonly name: 'concurrency' | 'rate';
  readonly limits: QueueLimits;
  /** The time that a handler takes on average, ms. */
  readonly handlerMs: number;
}

export interface PartResult extends Counts {
  readonly part: Part;
  readonly seconds: number;
  readonly workers: Crew['counts'];
  /** The largest number of leases at one time, and the average, as Redis told again and again. */
  readonly mostLeases: number;
  readonly meanLeases: number;
  readonly samples: number;
}

const QUEUE = 'limits';
/** So many messages wait at the least, so that only the limits hold workers back. */
const BACKLOG = 500;
const LOT = 250;
const SETTINGS = { queue: QUEUE, concurrency: 32, lease: 3_000 };
const WARM_UP_MS = 2_000;

/** Has workers that come, go and are killed take messages of a queue with limits, and counts. */
export async function runPart(part: Part, seconds: number, random: Random): Promise<PartResult> {
  const folder = await mkdtemp(join(tmpdir(), 'elkmq-limits-'));
  const redis = await startRedis();
  const admin = new QueueAdmin(QUEUE, redis.url);
  const client = new ElkMqClient({ queue: QUEUE, url: redis.url });
  const inspector = new Redis(redis.url);
  const crew = new Crew({ ...SETTINGS, url: redis.url, handlerMs: part.handlerMs }, folder, random);
  const over = new AbortController();
  try {
    await admin.setLimits(part.limits);
    const feeding = feed(client, admin, over.signal);
    await crew.start();
    await sleep(WARM_UP_MS);
    const leases = sample(inspector, over.signal);
    const from = microseconds();
    await sleep(seconds * 1_000);
    const until = microseconds();
    over.abort();
    const [{ most, mean, samples }] = await Promise.all([leases, feeding]);
    await crew.stopAll();
    const counts = countHandlers(crew.lives, from, until);
    const exactSeconds = (until - from) / 1e6;
    return {
      part,
      seconds: exactSeconds,
      workers: crew.counts,
      mostLeases: most,
      meanLeases: mean,
      samples,
      ...counts,
    };
  } finally {
    over.abort();
    await crew.stopAll();
    inspector.disconnect();
    await Promise.all([client.close(), admin.close()]);
    await redis.stop();
    await rm(folder, { recursive: true });
  }
}

function microseconds(): number {
  return Number(process.hrtime.bigint() / 1_000n);
}

/** Sends messages as fast as they are taken. */
async function feed(client: ElkMqClient, admin: QueueAdmin, over: AbortSignal): Promise<void> {
  for (let id = 0; !over.aborted;) {
    const { waiting } = await admin.state();
    if (waiting >= BACKLOG) {
      await sleep(100);
      continue;
    }
    const sent = Array.from({ length: LOT }, () =>
      firstValueFrom(client.emit('work', id++), { defaultValue: undefined }),
    );
    await Promise.all(sent);
  }
}

/** Asks again and again how many leases there are. */
async function sample(redis: Redis, over: AbortSignal) {
  let [most, sum, samples] = [0, 0, 0];
  while (!over.aborted) {
    const [leases] = (await redis.xpending(`${QUEUE}(event_stream)`, 'elkmq')) as [number];
    most = Math.max(most, leases);
    sum += leases;
    samples++;
    await nextTurn();
  }
  return { most, mean: sum / samples, samples };
}
