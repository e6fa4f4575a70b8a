import { EventQueue, QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { GROUP, QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { start } from '../support/command-line.js';
import { payloadsOf } from '../support/entries.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { Proxy } from '../support/proxy.js';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';
import { userWith } from '../support/rights.js';
import { startWorker } from '../support/workers.js';

/** The patterns of the messages are in no call but the one that stores them in the target. */
const PATTERN = 'order.moved.event';
/** Each step of a move, and what the call of it contains. */
const STEPS = [
  ['take the messages out of the queue', new RegExp(scripts.SCRIPTS.startMove.sha1)],
  ['store them in the other one', new RegExp(PATTERN)],
  ['forget them', new RegExp(scripts.SCRIPTS.endMove.sha1)],
] as const;
const LOSSES = ['request', 'answer'] as const;
const CASES = STEPS.flatMap(([step, call]) => LOSSES.map((lost) => [lost, step, call] as const));

/** More than one step of a move takes. */
const COUNT = 250;
const ALL = Array.from({ length: COUNT }, (_, n) => n);

interface Scene {
  readonly from: string;
  readonly to: string;
  readonly admin: QueueAdmin;
  readonly ids: string[];
}

/** A queue with events, every fifth of them with an ordering key, and an empty queue. */
async function newScene(): Promise<Scene> {
  const [from, to] = [newQueueName(), newQueueName()];
  const events = closing(new EventQueue(from, url));
  await Promise.all(
    ALL.map((n) =>
      events.enqueue(
        new ServiceEvent(3_600, PATTERN, String(n)),
        n % 5 === 0 ? { orderingKey: `key ${n % 3}` } : {},
      ),
    ),
  );
  // Otherwise the first call of each script carries its text in place of its digest.
  for (const { source } of Object.values(scripts.SCRIPTS)) await redis.script('LOAD', source);
  const admin = closing(new QueueAdmin(from, url));
  return { from, to, admin, ids: await idsOf(admin) };
}

async function idsOf(admin: QueueAdmin): Promise<string[]> {
  const ids: string[] = [];
  for await (const { found } of admin.search({}, { states: ['waiting', 'ordered'] }))
    ids.push(...found.map(({ id }) => id));
  return ids;
}

/** The payloads of the messages that workers can take, and of those that are on their way. */
async function allPayloads({ from, to, admin }: Scene): Promise<{ there: number[]; moving: number[] }> {
  const entries = await redis.xrange(new QueueKeys(from, false).moving, '-', '+');
  const moving = entries.map(([, fields]) => Number((JSON.parse(String(fields[5])) as ServiceEvent).payload));
  const there: number[] = [];
  for (const queue of [admin, closing(new QueueAdmin(to, url))]) {
    for await (const { found } of queue.search({}, { states: ['waiting', 'ordered'] }))
      there.push(...found.map(({ payload }) => Number(payload)));
  }
  return { there, moving };
}

/** Nobody can take a message twice, and none is lost. */
async function expectWhole(scene: Scene): Promise<void> {
  const { there, moving } = await allPayloads(scene);
  expect(new Set(there).size).toBe(there.length);
  expect(new Set(moving).size).toBe(moving.length);
  expect(new Set([...there, ...moving])).toEqual(new Set(ALL));
}

/** Everything is in the target, once, and messages of a key are in order. */
async function expectMoved({ from, to }: Scene): Promise<void> {
  expect(await payloadsOf(from)).toEqual([]);
  expect(await redis.xlen(new QueueKeys(from, false).moving)).toBe(0);
  const events = closing(new EventQueue(to, url));
  const taken: number[] = [];
  for (let n = 0; n < COUNT; n++) taken.push(Number((await events.dequeue())[1].payload));
  expect([...taken].sort((one, other) => one - other)).toEqual(ALL);
  expect(await payloadsOf(to)).toEqual([]);
  for (const key of [0, 1, 2]) {
    const ofKey = taken.filter((n) => n % 5 === 0 && n % 3 === key);
    expect(ofKey).toEqual([...ofKey].sort((one, other) => one - other));
  }
}

function loseOne(proxy: Proxy, lost: (typeof LOSSES)[number], call: RegExp, times: number): void {
  if (lost === 'request') proxy.loseRequests(call, times);
  else proxy.loseAnswers(call, times);
}

describe('each message is in one of the two queues, once', () => {
  it.each(CASES)('when the %s of the call to %s is lost', async (lost, _, call) => {
    const scene = await newScene();
    const proxy = closing(await Proxy.before(url));
    const admin = closing(new QueueAdmin(scene.from, proxy.url));
    loseOne(proxy, lost, call, 1);
    expect(await admin.move(scene.ids, scene.to)).toEqual({ count: COUNT, stayed: {} });
    expect(proxy.lost).toBe(1);
    await expectMoved(scene);
  });

  it.each(CASES)('when the mover is killed as the %s of the call to %s is lost', async (lost, _, call) => {
    const scene = await newScene();
    const proxy = closing(await Proxy.before(url));
    loseOne(proxy, lost, call, Infinity);
    const args = ['move', scene.from, '--all', '--to', scene.to, '--yes', '--patience', '10m'];
    const mover = start(args, { url: proxy.url });
    await until(() => proxy.lost > 0);
    mover.kill('SIGKILL');
    expect(await mover.ended).toMatchObject({ code: null });
    await expectWhole(scene);
    await scene.admin.move(await idsOf(scene.admin), scene.to);
    await expectMoved(scene);
  });

  it('when workers of both queues take messages meanwhile', async () => {
    const scene = await newScene();
    const seen: Record<'from' | 'to', number[]> = { from: [], to: [] };
    for (const side of ['from', 'to'] as const) {
      const handler = (payload: unknown) => Promise.resolve(void seen[side].push(Number(payload)));
      await startWorker({ queue: scene[side], concurrency: 4 }, { [PATTERN]: handler });
    }
    const { count } = await scene.admin.move(scene.ids, scene.to);
    await until(() => seen.from.length + seen.to.length >= COUNT);
    expect([...seen.from, ...seen.to].sort((one, other) => one - other)).toEqual(ALL);
    expect(seen.to).toHaveLength(count);
    expect(await scene.admin.state()).toMatchObject({ waiting: 0, deadLetters: 0 });
  });

  it('when several move the same messages at once', async () => {
    const scene = await newScene();
    const movers = [1, 2, 3].map(() => closing(new QueueAdmin(scene.from, url)));
    const results = await Promise.all(movers.map((mover) => mover.move(scene.ids, scene.to)));
    // An ordered message stays for one of them while another one moves those before it.
    const last = await scene.admin.move(await idsOf(scene.admin), scene.to);
    expect([...results, last].reduce((sum, { count }) => sum + count, 0)).toBe(COUNT);
    await expectMoved(scene);
  });

  it('when the clock of Redis goes back between two moves', async () => {
    const scene = await newScene();
    const tomorrow = `${String(Date.now() + 86_400_000)}-5`;
    await redis.hset(new QueueKeys(scene.to, false).arrived, scene.from, tomorrow);
    expect(await scene.admin.move(scene.ids, scene.to)).toEqual({ count: COUNT, stayed: {} });
    await expectMoved(scene);
  });
});

describe('messages that a move has left on their way', () => {
  async function leave({ from, to }: Scene, ids: readonly string[]): Promise<void> {
    const messages = ids.map((id) => ({ id, orderingKey: '' }));
    const args = { group: GROUP, to, floor: '0-0', budget: 1_000_000, messages };
    await runScript(redis, scripts.startMove(new QueueKeys(from, false), args));
  }

  it('are counted, are taken by no worker, and arrive with the next move to that queue', async () => {
    const scene = await newScene();
    const waiting = scene.ids.slice(0, 10);
    await leave(scene, waiting);
    await expectWhole(scene);
    expect(await scene.admin.state()).toMatchObject({ moving: 10 });
    const other = newQueueName();
    expect(await scene.admin.move([], other)).toEqual({ count: 0, stayed: {} });
    expect(await scene.admin.move([], scene.to)).toEqual({ count: 10, stayed: {} });
    expect(await scene.admin.state()).not.toHaveProperty('moving');
    await scene.admin.move(await idsOf(scene.admin), scene.to);
    await expectMoved(scene);
  });

  it('are not stored again, however late they are forgotten', async () => {
    const scene = await newScene();
    const keys = new QueueKeys(scene.from, false);
    await leave(scene, scene.ids.slice(0, 10));
    const left = await redis.xrange(keys.moving, '-', '+');
    await scene.admin.move([], scene.to);
    // As if the mover had ended before it forgot them.
    for (const [id, fields] of left.slice(-1))
      await redis.eval(
        "redis.call('DEL', KEYS[1]) return redis.call('XADD', KEYS[1], unpack(ARGV))",
        1,
        keys.moving,
        id,
        ...fields,
      );
    expect(await scene.admin.move([], scene.to)).toEqual({ count: 1, stayed: {} });
    await scene.admin.move(await idsOf(scene.admin), scene.to);
    await expectMoved(scene);
  });
});

it('is refused as a whole to a user who may not run PERSIST: nothing leaves its queue', async () => {
  const server = await ownRedis();
  const [from, to] = [newQueueName(), newQueueName()];
  const events = closing(new EventQueue(from, server.url));
  await events.enqueue(new ServiceEvent(3_600, 'order.placed', '1'));
  const admin = closing(new QueueAdmin(from, await userWith(server, '-persist')));
  const { messages } = await admin.messages('waiting');

  const error = await rejection(
    admin.move(
      messages.map(({ id }) => id),
      to,
    ),
  );

  expect(String(error)).toContain('Redis refuses a call of the admin');
  expect(await events.state()).toMatchObject({ waiting: 1 });
  expect(await clientOf(server).exists(new QueueKeys(from, false).moving)).toBe(0);
});
