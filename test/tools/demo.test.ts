import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, describe, expect, it } from 'vitest';
import { startRedis } from '../../scripts/redis.js';
import { until } from '../support/queue.js';

const demoScript = fileURLToPath(new URL('../../dist/tools/scripts/demo.js', import.meta.url));

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** The compiled demo as a process. */
class DemoRun {
  output = '';
  readonly ended: Promise<[code: number | null, signal: string | null]>;
  readonly #child;

  constructor(redisUrl: string) {
    this.#child = spawn(process.execPath, [demoScript], { env: { ...process.env, REDIS_URL: redisUrl } });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.ended = once(this.#child, 'close') as DemoRun['ended'];
    cleanups.push(() => this.kill());
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  interrupt(): void {
    this.#child.kill('SIGINT');
  }

  /** The process ids of the apps by their names, once all of them are ready. */
  async apps(): Promise<Map<string, number>> {
    let hasEnded = false;
    void this.ended.then(() => (hasEnded = true));
    await until(() => this.output.includes('Started') || hasEnded);
    expect(this.output, this.output).toContain('Started');
    const apps = this.output.matchAll(/(\w+-\d+) \(process (\d+)\)/g);
    return new Map([...apps].map(([, name = '', pid]) => [name, Number(pid)]));
  }
}

/** A Redis that is not the demo's own, with somebody else's key in it. */
async function sharedRedis(): Promise<Redis & { url: string }> {
  const server = await startRedis();
  const redis = new Redis(server.url);
  cleanups.push(
    () => server.stop(),
    () => redis.disconnect(),
  );
  await redis.set('elkmq-demo', 'not of this run');
  return Object.assign(redis, { url: server.url });
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('the demo', () => {
  it('runs to its end, adds up, and leaves nothing in a Redis that is not its own', async () => {
    const redis = await sharedRedis();
    const demo = new DemoRun(redis.url);
    const [code] = await demo.ended;

    expect(code, demo.output).toBe(0);
    expect(demo.output).toContain("dequeued  ServiceEvent(10, 'test_event', 'serialized_data')");
    expect(demo.output).toContain("answer    ServiceEvent(10, 'test_response', 'serialized_answer')");
    expect(demo.output).toMatch(/after [1-9]\d*\.\d s {2}TimeoutExpiredError/);
    expect(demo.output).toMatch(/^ +MIT +\d+/m);
    expect(demo.output).toMatch(/^ +worker-3 +\d+/m);
    expect(demo.output).toMatch(/yes {2}Every package was handled once, by one worker/);
    expect(demo.output).not.toContain('NO ');
    expect(demo.output).toContain('Everything adds up.');
    expect(await redis.keys('*')).toEqual(['elkmq-demo']);
  });

  it('fails, and says why, when a worker is killed', async () => {
    const redis = await sharedRedis();
    const demo = new DemoRun(redis.url);
    const worker = (await demo.apps()).get('worker-2') ?? NaN;
    process.kill(worker, 'SIGKILL');
    const [code] = await demo.ended;

    expect(demo.output).toContain(`worker-2 (process ${worker}) ended before its time (SIGKILL)`);
    expect(code).toBe(1);
    expect(await redis.keys('*')).toEqual(['elkmq-demo']);
  });

  it('cleans up when it is interrupted', async () => {
    const redis = await sharedRedis();
    const demo = new DemoRun(redis.url);
    const apps = [...(await demo.apps()).values()];
    demo.interrupt();
    const [code] = await demo.ended;

    expect(demo.output).toContain('Interrupted by SIGINT.');
    expect(code).toBe(1);
    expect(apps.filter(isAlive)).toEqual([]);
    expect(await redis.keys('*')).toEqual(['elkmq-demo']);
  });

  it('takes its processes with it when it is killed', async () => {
    const redis = await sharedRedis();
    const demo = new DemoRun(redis.url);
    const apps = [...(await demo.apps()).values()];
    expect(apps).toHaveLength(5);
    demo.kill();
    await until(() => apps.filter(isAlive).length === 0);
  });
});
