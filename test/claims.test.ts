import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { EventQueue, type ElkMqContext, type ElkMqServerOptions } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { startClient } from './support/nest.js';
import { clientOf, durableRedis, ownRedis, type PrivateRedis } from './support/own-redis.js';
import { closing, newQueueName, until } from './support/queue.js';
import { LEASE, startDoomed, startWorker } from './support/workers.js';

const COUNT = 600;
/** Enough that all are taken at once. */
const concurrency = COUNT;

/** A queue with so many messages waiting that a worker is behind when it starts, and what is in Redis. */
async function backlog(textOf: (number: number) => string = () => '', started?: PrivateRedis) {
  const server = started ?? (await ownRedis());
  const { url } = server;
  const admin = clientOf(server);
  const queue = newQueueName();
  const stream = `${queue}(event_stream)`;
  const client = startClient({ queue, url });
  const emit = (_: unknown, number: number) =>
    lastValueFrom(client.emit('hang event', { number, text: textOf(number) }));
  await Promise.all(Array.from({ length: COUNT }, emit));
  await admin.xgroup('CREATE', stream, 'elkmq', '0');
  return {
    server,
    url,
    admin,
    queue,
    stream,
    claims: `${queue}(claims)`,
    isEmpty: async () => (await admin.xlen(stream)) === 0,
    pending: async () => Number((await admin.xpending(stream, 'elkmq'))[0]),
    deadLetters: () => admin.hlen(`${queue}(dead_letter_bodies)`),
  };
}

/** How many reads were part of a transaction. One transaction of a worker, its first, is for nothing but to see whether it may. */
async function claimed(admin: Redis): Promise<number> {
  return (await calls(admin, 'exec')) - 1;
}

async function calls(admin: Redis, command: string, kind = 'calls'): Promise<number> {
  const stats = await admin.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:.*\\b${kind}=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** A worker whose handlers wait until they are told to go on. */
async function holding(options: ElkMqServerOptions) {
  let count = 0;
  const handled = new Set<number>();
  let letGo = (): void => undefined;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const hold = async (payload: unknown): Promise<void> => {
    count++;
    handled.add((payload as { number: number }).number);
    await gate;
  };
  const worker = await startWorker({ concurrency, lease: 60_000, ...options }, { 'hang event': hold });
  return { worker, letGo, handled, started: () => count };
}

describe('a worker that is behind', () => {
  it('has what a read brings noted as one claim, which goes when all of it is handled', async () => {
    const { queue, url, admin, claims, isEmpty, pending } = await backlog();
    const { started, handled, letGo } = await holding({ queue, url });
    await until(() => started() === COUNT);
    expect(await claimed(admin)).toBeGreaterThan(0);
    // Others look at it later: this Redis has just been started.
    expect(await pending()).toBeLessThan(COUNT);
    expect(await admin.hlen(claims)).toBeGreaterThan(0);
    letGo();
    await until(isEmpty);
    expect(handled.size).toBe(COUNT);
    expect(await admin.exists(claims)).toBe(0);
    expect(await pending()).toBe(0);
  });

  it('counts all of it as running', async () => {
    const { queue, url, admin } = await backlog();
    const { started, letGo } = await holding({ queue, url });
    await until(() => started() === COUNT);
    const looking = closing(new EventQueue(queue, url));
    expect(await looking.state()).toMatchObject({ running: COUNT, waiting: 0 });
    expect(await claimed(admin)).toBeGreaterThan(0);
    letGo();
  });

  it('keeps what it handles for longer than its lease', async () => {
    const { queue, url, admin, claims, isEmpty, pending, deadLetters } = await backlog();
    const { started, letGo } = await holding({ queue, url, lease: LEASE });
    await until(() => started() === COUNT);
    expect(await claimed(admin)).toBeGreaterThan(0);
    const others = await holding({ queue, url, lease: LEASE, delivery: 'at-least-once' });
    // By then each is pending, and its lease has been renewed.
    await until(async () => (await admin.exists(claims)) === 0 && (await pending()) === COUNT);
    const since = Date.now();
    await until(() => Date.now() - since > 2.5 * LEASE);
    letGo();
    await until(isEmpty);
    expect(others.started()).toBe(0);
    expect(await deadLetters()).toBe(0);
  });

  it('gives back what it has not handled when it stops', async () => {
    const { queue, url, admin, claims, isEmpty } = await backlog();
    const options = { queue, url, drainTimeout: 1, delivery: 'at-least-once' } as const;
    const { worker, started, letGo } = await holding(options);
    await until(() => started() === COUNT);
    expect(await claimed(admin)).toBeGreaterThan(0);
    await worker.close();
    expect(await admin.exists(claims)).toBe(0);
    const others = await holding(options);
    letGo();
    others.letGo();
    await until(isEmpty);
    expect(others.handled.size).toBe(COUNT);
  });

  it('gives back what is on its way when it is closed in the middle', async () => {
    const { queue, url, admin, claims, isEmpty, deadLetters } = await backlog();
    const handled: unknown[] = [];
    const options = { queue, url, concurrency: 128, lease: 60_000 };
    let closed: Promise<unknown> | undefined;
    const handler = async (payload: unknown): Promise<void> => {
      handled.push((payload as { number: number }).number);
      if (handled.length === COUNT / 2) closed = worker.close();
      await new Promise(setImmediate);
    };
    const worker = await startWorker(options, { 'hang event': handler });
    await until(() => closed !== undefined);
    await closed;
    expect(handled.length).toBeLessThan(COUNT);
    expect(await admin.exists(claims)).toBe(0);
    await startWorker(options, { 'hang event': handler });
    await until(isEmpty);
    expect(new Set(handled).size).toBe(COUNT);
    expect(handled).toHaveLength(COUNT);
    expect(await deadLetters()).toBe(0);
  });

  it('learns of a caller that stopped waiting, and nobody else takes the request', async () => {
    const { queue, url, admin, stream, isEmpty } = await backlog();
    const client = startClient({ queue, url });
    const requests = Array.from({ length: COUNT }, (_, number) => client.send('wait', number).subscribe());
    await until(async () => (await admin.xlen(stream)) === 2 * COUNT);
    const reasons: unknown[] = [];
    let waiting = 0;
    const wait = async (_: unknown, { signal }: ElkMqContext): Promise<void> => {
      waiting++;
      if (!signal.aborted) await once(signal, 'abort');
      reasons.push(signal.reason);
    };
    const handlers = { wait, 'hang event': () => Promise.resolve() };
    await startWorker({ queue, url, concurrency: 2 * COUNT, lease: 60_000 }, handlers);
    await until(() => waiting === COUNT);
    expect(await claimed(admin)).toBeGreaterThan(0);
    for (const request of requests) request.unsubscribe();
    await until(() => reasons.length === COUNT);
    expect(reasons[0]).toMatchObject({ code: 'CANCELLED' });
    await until(isEmpty);
    expect(waiting).toBe(COUNT);
  });
});

describe('when a worker that is behind is killed', () => {
  it.each([
    { delivery: 'once', what: 'each of its messages is a dead letter' },
    { delivery: 'at-least-once', what: 'another worker handles each of them' },
  ] as const)('with delivery $delivery, $what', async ({ delivery }) => {
    const { queue, url, admin, claims, isEmpty, deadLetters } = await backlog();
    // Its handlers never end.
    const doomed = await startDoomed({ queue, url, delivery, concurrency });
    await until(async () => (await claimed(admin)) > 0);
    doomed.kill('SIGKILL');
    const { handled, letGo } = await holding({ queue, url, delivery });
    letGo();
    await until(isEmpty, 20_000);
    const letters = await deadLetters();
    expect(letters + handled.size).toBe(COUNT);
    if (delivery === 'once') expect(letters).toBeGreaterThan(0);
    else expect(letters).toBe(0);
    expect(await admin.exists(claims)).toBe(0);
  });
});

describe('what a worker that is behind has taken', () => {
  it('is known to Redis after Redis was killed as well', async () => {
    const { server, queue, url, admin, isEmpty } = await backlog(undefined, await durableRedis());
    const { started, letGo } = await holding({ queue, url });
    await until(() => started() === COUNT);
    expect(await claimed(admin)).toBeGreaterThan(0);
    await server.kill();
    await server.restart();
    const others = await holding({ queue, url });
    const looking = closing(new EventQueue(queue, url));
    expect(await looking.state()).toMatchObject({ running: COUNT, waiting: 0 });
    letGo();
    await until(isEmpty, 20_000);
    expect([started(), others.started()]).toEqual([COUNT, 0]);
  });

  it('is pending where Redis has no memory for claims', async () => {
    const { queue, url, admin, claims, isEmpty, pending } = await backlog();
    await admin.config('SET', 'maxmemory-policy', 'noeviction', 'maxmemory', '1');
    const { started, letGo } = await holding({ queue, url });
    await until(() => started() === COUNT);
    expect([await pending(), await admin.exists(claims)]).toEqual([COUNT, 0]);
    // Tried again and again.
    expect(await calls(admin, 'exec', 'failed_calls')).toBeGreaterThan(1);
    letGo();
    await until(isEmpty);
  });

  it('is pending where claims cannot be noted, for the key is of another type', async () => {
    const { queue, url, admin, claims, isEmpty, pending } = await backlog();
    await admin.set(claims, 'not a hash');
    const { started, letGo } = await holding({ queue, url });
    await until(() => started() === COUNT);
    expect(await pending()).toBe(COUNT);
    expect(await claimed(admin)).toBe(0);
    const looking = closing(new EventQueue(queue, url));
    expect(await looking.state()).toMatchObject({ running: COUNT });
    letGo();
    await until(isEmpty);
  });

  it.each(['-multi', '-exec', '-@transaction'])('is pending where the rights are %s', async (rights) => {
    const { queue, url, admin, isEmpty, pending } = await backlog();
    await admin.acl('SETUSER', 'plain', 'on', '>secret', '~*', '&*', '+@all', rights);
    const { started, letGo } = await holding({ queue, url: url.replace('//', '//plain:secret@') });
    await until(() => started() === COUNT);
    expect(await pending()).toBe(COUNT);
    // Tried once.
    const rejected = await Promise.all(['multi', 'exec'].map((name) => calls(admin, name, 'rejected_calls')));
    expect(Math.max(...rejected)).toBe(1);
    letGo();
    await until(isEmpty);
  });

  it('goes back to the queue where transactions are not allowed any more', async () => {
    const { queue, url, admin, isEmpty, deadLetters } = await backlog();
    const rights = (...rules: string[]) =>
      admin.acl('SETUSER', 'plain', 'on', '>secret', '~*', '&*', ...rules);
    await rights('+@all');
    let count = 0;
    const handled: unknown[] = [];
    const handler = async (payload: unknown): Promise<void> => {
      handled.push((payload as { number: number }).number);
      // In the middle of the backlog.
      if (++count === COUNT / 3) await rights('-@transaction');
    };
    const options = { queue, url: url.replace('//', '//plain:secret@') };
    await startWorker({ concurrency: 128, lease: 60_000, ...options }, { 'hang event': handler });
    await until(isEmpty);
    expect(new Set(handled).size).toBe(COUNT);
    expect(handled).toHaveLength(COUNT);
    expect(await deadLetters()).toBe(0);
  });

  it('is pending where messages are large: a script that wants their ids reads them whole', async () => {
    const { queue, url, admin, stream, claims, isEmpty } = await backlog((number) =>
      number < COUNT / 2 ? '' : 'x'.repeat(40_000),
    );
    const { started, letGo } = await holding({ queue, url });
    await until(() => started() === COUNT);
    const sizes = Object.values(await admin.hgetall(claims)).map(async (claim) => {
      const [from = '', to = ''] = claim.split(' ');
      return JSON.stringify(await admin.xrange(stream, `(${from}`, to)).length;
    });
    expect(sizes.length).toBeGreaterThan(0);
    expect(Math.max(...(await Promise.all(sizes)))).toBeLessThan(300 * 1024);
    letGo();
    await until(isEmpty);
  });

  it('belongs to the group that handed it out: what another one hands out anew is not taken back', async () => {
    const { queue, url, admin, claims, stream, isEmpty, pending, deadLetters } = await backlog();
    const first = await holding({ queue, url });
    await until(() => first.started() === COUNT);
    expect(await claimed(admin)).toBeGreaterThan(0);
    await admin.xgroup('DESTROY', stream, 'elkmq');
    const others = await holding({ queue, url, lease: LEASE });
    await until(() => others.started() === COUNT);
    await until(async () => (await pending()) === COUNT);
    const firstPending = async () => (await admin.xpending(stream, 'elkmq', '-', '+', 1))[0] as unknown[];
    const [id, owner] = await firstPending();
    // As by who has made the group by hand, and left the claims.
    await admin.hset(claims, 'somebody.1.1000 1', `0-0 ${String(id)} 1`);
    await until(async () => (await admin.exists(claims)) === 0);
    expect((await firstPending()).slice(0, 2)).toEqual([id, owner]);
    others.letGo();
    await until(isEmpty);
    expect(await deadLetters()).toBe(0);
    first.letGo();
  });

  const MALFORMED = ['', 'a b c', '1-0', '0-0 9-9', `0-0 ${'9'.repeat(30)}-1 1`, '0-0 5-5 x', '9-9 1-1 1'];
  it.each(MALFORMED)('is not held up by claims that nobody should have written: %j', async (claim) => {
    const { queue, url, admin, claims, isEmpty, pending } = await backlog();
    await admin.hset(claims, 'somebody.1.1000 1', claim, '', claim, ' ', claim);
    const { started, letGo } = await holding({ queue, url, lease: LEASE });
    await until(() => started() === COUNT);
    const looking = closing(new EventQueue(queue, url));
    expect(await looking.state()).toMatchObject({ running: COUNT });
    await until(async () => (await pending()) === COUNT && (await admin.exists(claims)) === 0);
    letGo();
    await until(isEmpty);
  });
});
