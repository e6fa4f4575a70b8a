import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { lastValueFrom } from 'rxjs';
import { startClient } from '../support/nest.js';
import { clientOf, durableRedis } from '../support/own-redis.js';
import { TestProcess } from '../support/processes.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, rejection, until, url } from '../support/queue.js';
import { LEASE, startWorker } from '../support/workers.js';

/** The time that workers have to find Redis again, ms. */
const GRACE = 5_000;

/** A request whose worker is killed in the middle of it. `abandoned` tells when its caller was told so. */
async function abandonedRequest(queue: string, redisUrl: string): Promise<{ abandoned: Promise<number> }> {
  const doomed = await TestProcess.start(
    'leased-worker',
    JSON.stringify({ url: redisUrl, queue, lease: LEASE }),
  );
  const answer = lastValueFrom(startClient({ queue, url: redisUrl, timeout: 60_000 }).send('hang', 1));
  const abandoned = rejection(answer).then((error) => {
    expect(error).toMatchObject({ code: 'ABANDONED' });
    return performance.now();
  });
  await doomed.told('taken');
  doomed.kill('SIGKILL');
  return { abandoned };
}

describe('after an outage, workers have five seconds to find Redis again before their messages are taken', () => {
  it('and while Redis stands still that time stands still too', async () => {
    const server = await durableRedis();
    const proxy = closing(await Proxy.before(server.url));
    const queue = newQueueName();
    const { abandoned } = await abandonedRequest(queue, server.url);
    await startWorker({ queue, url: proxy.url });
    const cut = performance.now();
    proxy.cut();
    await until(() => proxy.connections > 0);
    const PAUSE = 3_000;
    await clientOf(server).client('PAUSE', PAUSE);
    // A sweep, twice a lease, may find Redis standing still only after half a lease.
    expect((await abandoned) - cut).toBeGreaterThan(GRACE + PAUSE - LEASE / 2);
  });

  it('by a worker that started just after Redis did', async () => {
    const server = await durableRedis();
    const queue = newQueueName();
    const { abandoned } = await abandonedRequest(queue, server.url);
    await server.kill();
    const restarted = performance.now();
    await server.restart();
    await startWorker({ queue, url: server.url });
    // Redis tells since when it runs in whole seconds.
    expect((await abandoned) - restarted).toBeGreaterThan(GRACE - 1_000);
  });

  it('by a worker that had to wait for Redis when it started', async () => {
    const queue = newQueueName();
    const { abandoned } = await abandonedRequest(queue, url);
    const proxy = closing(await Proxy.before(url));
    proxy.delay = 1_200;
    const started = performance.now();
    const starting = startWorker({ queue, url: proxy.url });
    // Its first connection takes its time.
    await sleep(proxy.delay);
    proxy.delay = 0;
    await starting;
    expect((await abandoned) - started).toBeGreaterThan(GRACE);
  });
});
