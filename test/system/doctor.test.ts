import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { elkmq, elkmqJson } from '../support/command-line.js';
import { clientOf, durableRedis, ownRedis, type PrivateRedis } from '../support/own-redis.js';
import { closing, redisMajor, until } from '../support/queue.js';
import { ALL_CHANNELS, PUBLISHED_USERS } from '../support/rights.js';
import { startWorker } from '../support/workers.js';

const HOUR = 3_600_000;

/** Limits that no machine exceeds, however busy it is. A flag that is given again counts. */
const OF_ANY_MACHINE = ['--max-latency', '1h', '--max-clock', '1h'];

interface Told {
  readonly level: string;
  readonly check: string;
  readonly queue?: string;
  readonly problem: string;
  readonly advice: string;
}

/** What the doctor finds, beside what belongs to every server of a test: it keeps nothing on disk. */
async function findingsOf(url: string, args: string[] = [], env = {}): Promise<Told[]> {
  const { code, json } = await elkmqJson(['doctor', ...OF_ANY_MACHINE, ...args], { url }, env);
  const { findings } = json as { findings: Told[] };
  expect(code).toBe(findings.some(({ level }) => level !== 'note') ? 1 : 0);
  for (const { problem, advice } of findings) {
    expect(problem).not.toBe('');
    expect(advice).toMatch(/^[A-Z].*/);
  }
  return findings.filter(({ problem }) => !problem.includes('keeps nothing on disk'));
}

async function enqueueOld({ adminUrl }: PrivateRedis, queue: string): Promise<void> {
  const event = '{"request_uuid":1,"timeout":65535,"action":"a","payload":null}';
  const id = `${String(Date.now() - HOUR)}-0`;
  await clientOf({ adminUrl }).xadd(`${queue}(event_stream)`, id, 'event', event, 'reply_to', '');
}

describe('elkmq doctor', () => {
  it('finds nothing where nothing is wrong, and ends with 0', async () => {
    const server = await durableRedis();
    await startWorker({ queue: 'orders', url: server.url });
    const { code, json } = await elkmqJson(['doctor', ...OF_ANY_MACHINE], { url: server.adminUrl });
    expect(json).toMatchObject({
      role: 'master',
      replicas: 0,
      latency: { p50: expect.any(Number) as unknown, p99: expect.any(Number) as unknown },
      clockDifference: expect.any(Number) as unknown,
      queues: ['orders'],
      findings: [],
    });
    expect(code).toBe(0);
    const text = await elkmq(['doctor', 'orders', ...OF_ANY_MACHINE], { url: server.adminUrl });
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout).toContain('Nothing is wrong.');
  });

  it('names a queue whose number of partitions cannot be read, and checks the others', async () => {
    const server = await ownRedis();
    const client = clientOf(server);
    for (const queue of ['apples', 'orders', 'pears']) await enqueueOld(server, queue);
    await client.set('apples(partitions)', '3');
    await client.lpush('pears(partitions)', 'no number');
    const findings = await findingsOf(server.adminUrl, ['--max-oldest', '1m']);
    const found = findings.map(({ check, queue }) => [queue, check]);
    expect(found).toContainEqual(['apples', 'unreadable']);
    expect(found).toContainEqual(['pears', 'unreadable']);
    expect(found.some(([queue, check]) => queue === 'orders' && check !== 'unreadable')).toBe(true);
  });

  it('names a Redis that keeps nothing on disk, with what to do', async () => {
    const { adminUrl: url } = await ownRedis();
    const { code, stdout } = await elkmq(['doctor'], { url });
    expect(code).toBe(1);
    expect(stdout).toMatch(
      /WARNING settings\n {2}Redis keeps nothing on disk: .*\.\n {2}Set appendonly to yes/,
    );
  });

  it('names a Redis that evicts keys, and one whose memory is nearly full', async () => {
    const { adminUrl: url } = await ownRedis('--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru');
    expect(await findingsOf(url)).toMatchObject([
      { level: 'warning', check: 'settings', problem: expect.stringContaining('allkeys-lru') as unknown },
    ]);
    const full = await ownRedis('--maxmemory', '1');
    expect(await findingsOf(full.adminUrl)).toMatchObject([{ level: 'error', check: 'memory' }]);
  });

  it('names the commands that are refused, and what each costs', async () => {
    const server = await ownRedis();
    const acl = clientOf(server);
    await acl.call('ACL', 'SETUSER', 'few', 'on', '>pw', '~*', ...ALL_CHANNELS, '+@all', '-zadd', '-client');
    const few = `redis://few:pw@127.0.0.1:${String(server.port)}`;
    expect(await findingsOf(few)).toMatchObject([
      { check: 'rights', problem: expect.stringContaining('Redis refuses ZADD') as unknown },
      { check: 'rights', problem: expect.stringContaining('Redis refuses ZADD') as unknown },
      { check: 'rights', problem: expect.stringContaining('Redis refuses CLIENT') as unknown },
    ]);
    await acl.call(
      'ACL',
      'SETUSER',
      'none',
      'on',
      '>pw',
      '~*',
      ...ALL_CHANNELS,
      '+@all',
      '-xadd',
      '-eval',
      '-evalsha',
    );
    const none = await findingsOf(`redis://none:pw@127.0.0.1:${String(server.port)}`);
    expect(none).toContainEqual(expect.objectContaining({ level: 'error', check: 'rights' }));
  });

  it('looks at the queues that are named where the user may not look for queues', async () => {
    const server = await ownRedis();
    await enqueueOld(server, 'orders');
    const [user] = PUBLISHED_USERS;
    const channels = redisMajor < 7 ? [] : [String(user?.channels)];
    const rules = [...channels, ...String(user?.rules).split(' ')];
    await clientOf(server).call('ACL', 'SETUSER', 'service', 'on', '>pw', '~orders(*', ...rules);
    const url = `redis://service:pw@127.0.0.1:${String(server.port)}`;
    const skipped = { level: 'note', check: 'skipped' };
    expect(await findingsOf(url)).toMatchObject([{ level: 'note', check: 'queues' }, skipped]);
    // What it could not look at is said.
    expect(await findingsOf(url, ['orders'])).toMatchObject([
      { ...skipped, queue: 'orders', advice: 'Allow it with +type.' },
      { check: 'no-worker', queue: 'orders' },
      { ...skipped, problem: expect.stringContaining('keys that stay for ever') as unknown },
    ]);
  });

  it('names a replica', async () => {
    const master = await ownRedis();
    const replica = await ownRedis('--replicaof', '127.0.0.1', String(master.port));
    const admin = clientOf(replica);
    await until(async () => (await admin.info('replication')).includes('master_link_status:up'));
    expect(await findingsOf(replica.adminUrl)).toContainEqual(
      expect.objectContaining({ level: 'error', check: 'role' }),
    );
  });

  it('names slow answers and clocks that differ', async () => {
    const { adminUrl: url } = await ownRedis();
    expect(await findingsOf(url, ['--max-latency', '0ms'])).toMatchObject([
      { check: 'latency', problem: expect.stringContaining('one of 100 answers') as unknown },
    ]);
    const late = encodeURIComponent(`const now = Date.now; Date.now = () => now() - ${String(2 * HOUR)};`);
    const env = { NODE_OPTIONS: `--import=data:text/javascript,${late}` };
    expect(await findingsOf(url, [], env)).toMatchObject([
      { check: 'clock', problem: expect.stringMatching(/differs .* by (?:2 h|1 h 59 m)/) as unknown },
    ]);
  });

  it('names messages that nobody takes, and those that workers do not get to', async () => {
    const server = await ownRedis();
    await enqueueOld(server, 'orders');
    expect(await findingsOf(server.adminUrl)).toMatchObject([
      {
        level: 'error',
        check: 'no-worker',
        queue: 'orders',
        problem: expect.stringMatching(/1 messages wait, the first one for 1 h/) as unknown,
      },
    ]);
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    await startWorker({ queue: 'busy', url: server.url, concurrency: 1 }, { a: () => held });
    const busy = closing(new EventQueue('busy', server.url));
    await busy.enqueue(new ServiceEvent(60, 'a'));
    await until(async () => (await busy.state()).running === 1);
    await busy.enqueue(new ServiceEvent(60, 'a'));
    expect(await findingsOf(server.adminUrl, ['busy', '--max-oldest', '0ms'])).toMatchObject([
      { level: 'warning', check: 'oldest', queue: 'busy' },
    ]);
    expect(await findingsOf(server.adminUrl, ['busy'])).toEqual([]);
    release();
  });

  it('names delayed messages that are overdue', async () => {
    const server = await ownRedis();
    await clientOf(server).zadd('orders(delayed)', Date.now() - HOUR, '1-1');
    expect(await findingsOf(server.adminUrl)).toMatchObject([
      {
        level: 'error',
        check: 'overdue',
        queue: 'orders',
        problem: expect.stringMatching(/was due (?:59 m|1 h)/) as unknown,
      },
    ]);
  });

  it('names running messages whose worker has gone', async () => {
    const server = await ownRedis();
    const client = clientOf(server);
    await enqueueOld(server, 'orders');
    await client.xgroup('CREATE', 'orders(event_stream)', 'elkmq', '0');
    const consumer = 'gone-1-abc.1.1000';
    await client.xreadgroup('GROUP', 'elkmq', consumer, 'STREAMS', 'orders(event_stream)', '>');
    const id = String((await client.xrange('orders(event_stream)', '-', '+'))[0]?.[0]);
    await client.xclaim('orders(event_stream)', 'elkmq', consumer, 0, id, 'IDLE', HOUR, 'JUSTID');
    expect(await findingsOf(server.adminUrl)).toMatchObject([
      {
        level: 'error',
        check: 'abandoned',
        queue: 'orders',
        problem: expect.stringMatching(/gone-1-abc.*that worker has gone/) as unknown,
      },
    ]);
  });

  it('names workers with different handlers, and dead letters as a note', async () => {
    const server = await ownRedis();
    const answer = () => Promise.resolve(1);
    await startWorker({ queue: 'orders', url: server.url }, { a: answer });
    await startWorker({ queue: 'orders', url: server.url }, { b: answer });
    await clientOf(server).zadd('orders(dead_letters)', 1, '1-1');
    expect(await findingsOf(server.adminUrl)).toMatchObject([
      { level: 'warning', check: 'handlers', queue: 'orders' },
      { level: 'note', check: 'dead-letters', queue: 'orders' },
    ]);
  });

  it('names messages that a move has left on their way, and the command that delivers them', async () => {
    const server = await ownRedis();
    const event = '{"request_uuid":1,"timeout":60,"action":"a","payload":null}';
    const fields = ['to', 'later', 'due_at', '', 'event', event, 'reply_to', ''];
    await clientOf(server).xadd('orders(moving)', '*', ...fields);
    const [finding] = await findingsOf(server.adminUrl);
    expect(finding).toMatchObject({ level: 'warning', check: 'moving', queue: 'orders' });
    const [, ...args] = /`elkmq (.*) --rest --yes`/.exec(String(finding?.advice)) ?? [];
    expect(args).toEqual(['move orders --to later']);
    const move = ['move', 'orders', '--to', 'later', '--rest'];
    expect(await elkmqJson([...move, '--dry-run'], { url: server.adminUrl })).toMatchObject({
      json: { count: 1 },
    });
    expect(await elkmqJson([...move, '--yes'], { url: server.adminUrl })).toMatchObject({
      json: { count: 1 },
    });
    expect((await elkmqJson(['state', 'later'], { url: server.adminUrl })).json).toMatchObject({
      waiting: 1,
    });
    expect((await findingsOf(server.adminUrl, ['orders'])).map(({ check }) => check)).toEqual([]);
  });

  it('names keys of another type, and keys that stay for ever', async () => {
    const server = await ownRedis();
    const client = clientOf(server);
    await client.set('orders(event_stream)', 'x');
    await client.set('mails(workers)', 'x');
    await client.xadd('orders(inbox):client', '*', 'replies', '[]');
    const told = await findingsOf(server.adminUrl);
    expect(told).toMatchObject([
      { level: 'error', check: 'key-type', queue: 'mails' },
      {
        level: 'error',
        check: 'key-type',
        queue: 'orders',
        problem: expect.stringMatching(/WRONGTYPE/) as unknown,
      },
      {
        level: 'warning',
        check: 'no-ttl',
        queue: 'orders',
        problem: expect.stringMatching(/orders\(inbox\):client/) as unknown,
      },
    ]);
    expect(await findingsOf(server.adminUrl, ['other'])).toEqual([]);
  });
});
