import { expect, it } from 'vitest';
import { elkmq, elkmqJson, start } from '../support/command-line.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { until } from '../support/queue.js';

it('bench measures events and requests, and leaves nothing in Redis', async () => {
  const server = await ownRedis();
  const { url } = server;
  const sizes = ['--events', '300', '--requests', '250', '--in-flight', '20'];
  const { code, json } = await elkmqJson(['bench', ...sizes], { url });
  expect(code).toBe(0);
  const { events, requests, alone, inFlight } = json as Record<'events' | 'requests' | 'alone', Figures> & {
    inFlight: number;
  };
  expect([events.count, requests.count, alone.count, inFlight]).toEqual([300, 250, 200, 20]);
  for (const { perSecond, p50, p99 } of [events, requests, alone]) {
    expect(perSecond).toBeGreaterThan(0);
    expect(p50).toBeGreaterThan(0);
    expect(p99).toBeGreaterThanOrEqual(p50);
  }
  expect(await clientOf(server).keys('*')).toEqual([]);

  const text = await elkmq(['bench', ...sizes], { url });
  expect(text.code).toBe(0);
  expect(text.stdout).toMatch(/^events, 20 at once +\d+ in a second, p50 [\d.]+ ms, p99 [\d.]+ ms, of 300$/m);
  expect(text.stdout).toMatch(/^requests, one at a time +\d+ in a second/m);
  expect(text.stderr).toContain('This process sends and handles');
});

interface Figures {
  readonly count: number;
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

it.each(['SIGINT', 'SIGTERM'] as const)(
  'bench leaves nothing in Redis at %s, and ends with 1',
  async (signal) => {
    const server = await ownRedis();
    const client = clientOf(server);
    // It is the load of days.
    const running = start(['bench', '--events', '999999999'], { url: server.url });
    await until(async () => (await client.keys('elkmq-bench-*')).length > 0);
    running.kill(signal);
    expect(await running.ended).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(`elkmq: ended by ${signal}\n`) as string,
    });
    expect(await client.keys('*')).toEqual([]);
  },
);

it.each(['stdout', 'stderr'] as const)(
  'bench leaves nothing in Redis when nobody reads its %s',
  async (output) => {
    const server = await ownRedis();
    const running = start(['bench', '--events', '20', '--requests', '20'], { url: server.url });
    running.closeOutput(output);
    expect(await running.ended).toMatchObject({ code: 0 });
    expect(await clientOf(server).keys('*')).toEqual([]);
  },
);

it('bench refuses a load of nothing, and says that Redis is away', async () => {
  const none = await elkmq(['bench', '--events', '0']);
  expect(none).toMatchObject({ code: 2, stdout: '' });
  expect(none.stderr).toContain('a whole number from 1 is expected, got "0"');
  const away = await elkmq(['bench', '--patience', '300ms'], { url: 'redis://127.0.0.1:1' });
  expect(away).toMatchObject({ code: 3, stdout: '' });
});
