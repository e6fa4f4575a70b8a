import { once } from 'node:events';
import { ElkMqClient, EventQueue, type ElkMqContext, type ElkMqServerOptions } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, startClient, unsettled } from './support/nest.js';
import { clientOf, durableRedis, ownRedis } from './support/own-redis.js';
import { closing, keysOf, newQueueName, redis, until, url } from './support/queue.js';
import { LEASE, startDoomed, startWorker } from './support/workers.js';

const COUNT = 300;
/** Enough that all are taken at once. */
const concurrency = COUNT;

/** A queue with so many events that a worker is behind when it starts. */
async function backlog(pattern: string, server: { url: string } = { url }): Promise<string> {
  const queue = newQueueName();
  const client = closing(new ElkMqClient({ queue, url: server.url }));
  const events = Array.from({ length: COUNT }, (_, number) => lastValueFrom(client.emit(pattern, number)));
  await Promise.all(events);
  return queue;
}

function claimsOf(queue: string, client = redis): Promise<number> {
  return client.hlen(`${queue}(claims)`);
}

async function pendingIn(queue: string): Promise<number> {
  return Number((await redis.xpending(`${queue}(event_stream)`, 'elkmq'))[0]);
}

/** A worker whose handlers wait until they are told to go on. */
async function holding(queue: string, options: ElkMqServerOptions = {}) {
  const started: unknown[] = [];
  let letGo = (): void => undefined;
  const gate = new Promise<void>((resolve) => (letGo = resolve));
  const hold = async (number: unknown): Promise<void> => {
    started.push(number);
    await gate;
  };
  const worker = await startWorker({ queue, concurrency, lease: 60_000, ...options }, { 'hold event': hold });
  return { worker, started, letGo };
}

describe('a worker that is behind', () => {
  it('has what a read brought noted as one claim, which goes when all of it is handled', async () => {
    const queue = await backlog('hold event');
    const { started, letGo } = await holding(queue);
    await until(() => started.length === COUNT);
    expect(await claimsOf(queue)).toBeGreaterThan(0);
    expect(await pendingIn(queue)).toBeLessThan(COUNT);
    letGo();
    await until(async () => (await unsettled(queue)) === 0);
    expect(started).toHaveLength(new Set(started).size);
    expect(await keysOf(queue)).not.toHaveProperty('(claims)');
    expect(await pendingIn(queue)).toBe(0);
  });

  it('counts all of it as running', async () => {
    const queue = await backlog('hold event');
    const { started, letGo } = await holding(queue);
    await until(() => started.length === COUNT);
    const looking = closing(new EventQueue(queue, url));
    expect(await looking.state()).toMatchObject({ running: COUNT, waiting: 0 });
    expect(await claimsOf(queue)).toBeGreaterThan(0);
    letGo();
  });

  it('keeps what it handles for longer than its lease', async () => {
    const queue = await backlog('hold event');
    const { started, letGo } = await holding(queue, { lease: LEASE });
    await until(() => started.length === COUNT);
    const others = await holding(queue, { lease: LEASE, delivery: 'at-least-once' });
    // By then each is pending, and its lease has been renewed.
    await until(async () => (await claimsOf(queue)) === 0 && (await pendingIn(queue)) === COUNT);
    const since = Date.now();
    await until(() => Date.now() - since > 2.5 * LEASE);
    letGo();
    await until(async () => (await unsettled(queue)) === 0);
    expect(others.started).toEqual([]);
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('gives back what it has not handled when it stops', async () => {
    const queue = await backlog('hold event');
    const { worker, started, letGo } = await holding(queue, { drainTimeout: 1, delivery: 'at-least-once' });
    await until(() => started.length === COUNT);
    expect(await claimsOf(queue)).toBeGreaterThan(0);
    await worker.close();
    const others = await holding(queue);
    letGo();
    others.letGo();
    await until(() => others.started.length === COUNT);
    await until(async () => (await unsettled(queue)) === 0);
    expect(await keysOf(queue)).not.toHaveProperty('(claims)');
  });

  it('learns of a caller that stopped waiting, and nobody else takes the request', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const reasons: unknown[] = [];
    const requests = Array.from({ length: COUNT }, (_, number) => client.send('wait', number).subscribe());
    await until(async () => (await unsettled(queue)) === COUNT);
    const wait = async (_: unknown, { signal }: ElkMqContext): Promise<void> => {
      if (!signal.aborted) await once(signal, 'abort');
      reasons.push(signal.reason);
    };
    const worker = await startWorker({ queue, concurrency, lease: 60_000 }, { wait });
    const looking = closing(new EventQueue(queue, url));
    await until(async () => (await claimsOf(queue)) > 0);
    await until(async () => (await looking.state()).running === COUNT);
    for (const request of requests) request.unsubscribe();
    await until(() => reasons.length === COUNT);
    expect(reasons[0]).toMatchObject({ code: 'CANCELLED' });
    await until(async () => (await unsettled(queue)) === 0);
    await worker.close();
  });
});

describe('when a worker that was behind is killed', () => {
  it.each([
    ['once', 'each of its messages is a dead letter'],
    ['at-least-once', 'another worker handles each of its messages'],
  ] as const)('with delivery %s, %s', async (delivery) => {
    const queue = await backlog('hang event');
    const doomed = await startDoomed({ queue, delivery, concurrency });
    await until(async () => (await claimsOf(queue)) > 0);
    doomed.kill('SIGKILL');
    const handled: unknown[] = [];
    const handler = (number: unknown): Promise<unknown> => Promise.resolve(handled.push(number));
    await startWorker({ queue, delivery }, { 'hang event': handler });
    await until(async () => (await unsettled(queue)) === 0, 20_000);
    const letters = await deadLettersOf(queue);
    expect(letters.length + handled.length).toBe(COUNT);
    if (delivery === 'once') expect(letters.length).toBeGreaterThan(0);
    else expect(new Set(handled).size).toBe(COUNT);
    expect(await claimsOf(queue)).toBe(0);
  });
});

describe('what a worker that is behind has taken', () => {
  it('is known to Redis after Redis was killed as well', async () => {
    const server = await durableRedis();
    const client = clientOf(server);
    const queue = await backlog('hold event', server);
    const { started, letGo } = await holding(queue, { url: server.url });
    await until(() => started.length === COUNT);
    expect(await claimsOf(queue, client)).toBeGreaterThan(0);
    await server.kill();
    await server.restart();
    const others = await holding(queue, { url: server.url });
    letGo();
    await until(async () => (await client.xlen(`${queue}(event_stream)`)) === 0, 20_000);
    expect(others.started).toEqual([]);
    expect(started).toHaveLength(COUNT);
  });

  it('is handled where Redis has no memory for claims', async () => {
    const server = await ownRedis('--maxmemory-policy', 'noeviction');
    const admin = clientOf(server);
    const queue = await backlog('hold event', server);
    await admin.xgroup('CREATE', `${queue}(event_stream)`, 'elkmq', '0');
    await admin.config('SET', 'maxmemory', '1');
    const { started, letGo } = await holding(queue, { url: server.url });
    await until(() => started.length === COUNT);
    expect(await claimsOf(queue, admin)).toBe(0);
    letGo();
    await until(async () => (await admin.xlen(`${queue}(event_stream)`)) === 0);
  });

  it('is pending where claims cannot be noted, for the key is of another type', async () => {
    const queue = await backlog('hold event');
    await redis.set(`${queue}(claims)`, 'not a hash');
    const { started, letGo } = await holding(queue);
    await until(() => started.length === COUNT);
    expect(await pendingIn(queue)).toBe(COUNT);
    letGo();
    await until(async () => (await unsettled(queue)) === 0);
  });

  it('belongs to the group that handed it out: claims of one that was destroyed are worth nothing', async () => {
    const queue = await backlog('hold event');
    const first = await holding(queue);
    await until(() => first.started.length === COUNT);
    await redis.xgroup('DESTROY', `${queue}(event_stream)`, 'elkmq');
    const others = await holding(queue);
    // As after any loss of the group, all is handed out again.
    await until(() => first.started.length + others.started.length === 2 * COUNT);
    first.letGo();
    others.letGo();
    await until(async () => (await unsettled(queue)) === 0);
    await first.worker.close();
    await others.worker.close();
    expect(await keysOf(queue)).not.toHaveProperty('(claims)');
  });
});
