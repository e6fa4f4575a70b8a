import type { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PrivateRedis } from '../../scripts/redis.js';
import { LEASE } from './load.js';
import type { Member } from './member.js';
import type { Random } from '../random.js';

/** The processes of a run. */
export interface Members {
  readonly workers: readonly Member[];
  readonly clients: readonly Member[];
  readonly random: Random;
}

/** What there is to break. */
export interface Targets extends Members {
  readonly redis: PrivateRedis;
  /** A connection of the run's own. */
  readonly admin: Redis;
  readonly eventStream: string;
}

const FLUSHES = 20;

/** Breaks something, and resolves when it is whole again. */
export type Fault<T = Targets> = (targets: T) => Promise<void>;

/** While one of these lasts, Redis cannot be asked for another. */
export const REDIS_FAULTS: Readonly<Record<string, Fault>> = {
  'Redis: SIGKILL, restart': async ({ redis, random }) => {
    await redis.kill();
    await sleep(random.between(0, 1_000));
    await redis.restart();
  },
  'Redis: down for longer than the lease': async ({ redis, random }) => {
    await redis.kill();
    await sleep(LEASE * random.between(1.5, 3));
    await redis.restart();
  },
  'Redis: SIGSTOP for longer than the lease': async ({ redis, random }) => {
    process.kill(redis.pid, 'SIGSTOP');
    await sleep(LEASE * random.between(1.5, 3));
    process.kill(redis.pid, 'SIGCONT');
  },
  'CLIENT PAUSE': async ({ admin, random }) => {
    const duration = Math.round(random.between(100, 1.5 * LEASE));
    await admin.call('CLIENT', 'PAUSE', duration);
    await sleep(duration);
  },
  'CLIENT KILL of all': async ({ admin }) => {
    await admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
  },
  'CLIENT KILL of some': async ({ admin, random }) => {
    const list = String(await admin.call('CLIENT', 'LIST', 'TYPE', 'normal'));
    for (const [, id = ''] of list.matchAll(/^id=(\d+)/gm)) {
      if (random.fraction() < 0.3) await admin.call('CLIENT', 'KILL', 'ID', id, 'SKIPME', 'yes');
    }
  },
  'SCRIPT FLUSH': async ({ admin, random }) => {
    // Batches that are on their way are sent again only when one of them finds no script.
    for (let n = 0; n < FLUSHES; n++) {
      await admin.call('SCRIPT', 'FLUSH');
      await sleep(random.between(0, 50));
    }
  },
};

/** This one voids `once`, and that messages of a key run one at a time. */
export const GROUP_FAULTS: Readonly<Record<string, Fault>> = {
  'XGROUP DESTROY': async ({ admin, eventStream, workers }) => {
    const healed = workers.map((worker) => worker.disturb('XGROUP DESTROY'));
    await admin.call('XGROUP', 'DESTROY', eventStream, 'elkmq');
    // What was in hand is handed out again, and may be in two hands until both have ended.
    await sleep(2 * LEASE);
    for (const heal of healed) heal();
  },
};

export const PROCESS_FAULTS: Readonly<Record<string, Fault<Members>>> = {
  'worker: SIGKILL': ({ workers, random }) => end(random.pick(workers), 'SIGKILL'),
  'worker: SIGKILL, another': ({ workers, random }) => end(random.pick(workers), 'SIGKILL'),
  'worker: SIGTERM': ({ workers, random }) => end(random.pick(workers), 'SIGTERM'),
  'client: SIGKILL': ({ clients, random }) => end(random.pick(clients), 'SIGKILL'),
  'client: SIGTERM': ({ clients, random }) => end(random.pick(clients), 'SIGTERM'),
  'worker: SIGSTOP for longer than the lease': async ({ workers, random }) => {
    const worker = random.pick(workers);
    const heal = worker.disturb('SIGSTOP');
    worker.signal('SIGSTOP');
    await sleep(LEASE * random.between(1.25, 3));
    worker.signal('SIGCONT');
    heal();
  },
  'worker: event loop stalled for longer than the lease': async ({ workers, random }) => {
    const worker = random.pick(workers);
    const stall = LEASE * random.between(1.25, 2.5);
    const heal = worker.disturb('stall');
    worker.send({ stall });
    // It begins with the next message.
    await sleep(stall + LEASE);
    heal();
  },
  'network: cut': ({ workers, clients, random }) => {
    proxied(workers, clients, random).proxy?.cut();
    return Promise.resolve();
  },
  'network: slow': async ({ workers, clients, random }) => {
    const { proxy } = proxied(workers, clients, random);
    if (!proxy) return;
    proxy.delay = random.between(20, 200);
    await sleep(1_000);
    proxy.delay = 0;
  },
  'network: cut in the middle of a command': ({ workers, clients, random }) => {
    proxied(workers, clients, random).proxy?.truncateRequests(/evalsha/i, 3, 5);
    return Promise.resolve();
  },
  'network: answers lost': ({ workers, clients, random }) => {
    proxied(workers, clients, random).proxy?.loseAnswers(/evalsha|xread/i, 3, 5);
    return Promise.resolve();
  },
  'network: black hole': async ({ workers, clients, random }) => {
    const member = proxied(workers, clients, random);
    const heal = member.disturb('black hole');
    member.proxy?.silence();
    // A connection without answers is noticed after 5 s, a blocked read after 10.
    await sleep(12_000);
    heal();
  },
};

function end(member: Member, signal: NodeJS.Signals): Promise<void> {
  if (member.isAlive) {
    member.disturb(signal);
    member.signal(signal);
  }
  return Promise.resolve();
}

function proxied(workers: readonly Member[], clients: readonly Member[], random: Random): Member {
  return random.pick([...workers, ...clients].filter(({ proxy }) => proxy !== undefined));
}
