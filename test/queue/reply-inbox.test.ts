import type { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, redis, redisMajor, until, url } from '../support/queue.js';
import { Proxy } from '../support/proxy.js';
import { InboxOfTest } from '../support/reply-inbox.js';
import { mayRun } from '../support/test-redis.js';

const LOOK_MS = 1_000;
const BLOCKING_MS = 60_000;

async function openInbox(source = url): Promise<InboxOfTest> {
  const inbox = new InboxOfTest();
  await inbox.open(source);
  return inbox;
}

/** An inbox whose client has subscribed and has read what was there before. */
async function subscribedInbox(source = url): Promise<InboxOfTest> {
  const inbox = await openInbox(source);
  await until(() => inbox.isSubscribed());
  await inbox.answer(true);
  await until(() => inbox.numbers.length === 1);
  return inbox;
}

/** Lets the client look for replies that were not pushed, until it has what it waits for. */
async function lookUntil(inbox: InboxOfTest, condition: () => boolean | Promise<boolean>): Promise<void> {
  await until(async () => {
    if (await condition()) return true;
    await inbox.timers.advance(LOOK_MS);
    return false;
  });
}

async function calls(command: string, client: Redis): Promise<number> {
  const stats = await client.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

describe.runIf(mayRun('subscribe'))('an inbox whose replies are pushed', () => {
  it('is not read: replies come with the push, and go out of the inbox', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    const inbox = new InboxOfTest(admin);
    await inbox.open(server.url);
    await until(() => inbox.isSubscribed());
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 1);
    const reads = await calls('xread', admin);
    for (let n = 0; n < 20; n++) await inbox.answer(true);
    await until(() => inbox.numbers.length === 21);
    expect(inbox.numbers).toEqual(inbox.answered);
    expect(await calls('xread', admin)).toBe(reads);
    await until(async () => (await admin.xlen(inbox.key)) === 0);
  });

  it('has replies that came before the subscription', async () => {
    const inbox = new InboxOfTest();
    await inbox.create();
    await inbox.answer(true);
    await inbox.answer(false);
    await inbox.open();
    await until(() => inbox.numbers.length === 2);
    await until(() => inbox.isSubscribed());
  });

  it('has large replies, which are only announced, in their order', async () => {
    const inbox = await subscribedInbox();
    for (const padding of [0, 20_000, 0, 2_000_000]) {
      await inbox.answer(true, padding);
      // The client looks by itself: its clock stands still.
      await until(() => inbox.numbers.length === inbox.answered.length);
    }
    for (const padding of [20_000, 0, 20_000, 20_000, 0, 20_000]) await inbox.answer(true, padding);
    await until(() => inbox.numbers.length === inbox.answered.length);
    expect(inbox.numbers).toEqual(inbox.answered);
    expect(await inbox.isSubscribed()).toBe(true);
  });

  it('is read when a reply was not pushed, with the next look', async () => {
    const inbox = await subscribedInbox();
    await inbox.answer(false);
    await lookUntil(inbox, () => inbox.numbers.length === 2);
  });

  it('is not looked at while nobody waits', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    const inbox = new InboxOfTest(admin);
    await inbox.open(server.url);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 1);
    inbox.isWaiting = false;
    await until(() => inbox.isSubscribed());
    // The look that may be under way ends.
    await inbox.timers.advance(LOOK_MS);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 2);
    const reads = await calls('xread', admin);
    await inbox.timers.advance(20 * LOOK_MS);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 3);
    expect(await calls('xread', admin)).toBe(reads);
  });

  it('is read at once when a push shows that the reply before it was not pushed', async () => {
    const inbox = await subscribedInbox();
    await inbox.answer(false);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 3);
    expect(inbox.numbers).toEqual(inbox.answered);
  });

  it('is read by blocking reads once a reply was not pushed, so the next ones do not wait for a look', async () => {
    const inbox = await subscribedInbox();
    await inbox.answer(false);
    await lookUntil(inbox, async () => !(await inbox.isSubscribed()));
    for (let n = 0; n < 10; n++) await inbox.answer(false);
    await until(() => inbox.numbers.length === 12);
    expect(inbox.numbers).toEqual(inbox.answered);
  });

  it('goes back to pushes after a minute, then after two, and keeps the order of replies all the time', async () => {
    const inbox = await subscribedInbox();
    for (const factor of [1, 2, 4]) {
      await inbox.answer(false);
      await lookUntil(inbox, async () => !(await inbox.isSubscribed()));
      await inbox.answer(true);
      await inbox.answer(false);
      await inbox.timers.advance((factor * BLOCKING_MS) / 2);
      await inbox.answer(true);
      expect(await inbox.isSubscribed()).toBe(false);
      await inbox.timers.advance((factor * BLOCKING_MS) / 2);
      await inbox.answer(false);
      await until(() => inbox.isSubscribed());
      await inbox.answer(true);
      await until(() => inbox.numbers.length === inbox.answered.length);
    }
    expect(inbox.numbers).toEqual(inbox.answered);
  });

  it('takes no push that is on its way for one that is missing', async () => {
    const proxy = closing(await Proxy.before(url));
    const inbox = await subscribedInbox(proxy.url);
    // The push waits in the network while the inbox is read over the other connection.
    proxy.delayAnswers(/subscribe/i, 500);
    await inbox.answer(true);
    await lookUntil(inbox, () => inbox.numbers.length === 2);
    proxy.delayAnswers(/subscribe/i, 0);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 3);
    expect(await inbox.isSubscribed()).toBe(true);
  });

  it('ignores pushes of another form', async () => {
    const inbox = await subscribedInbox();
    const odd = [
      '',
      ' ',
      'x',
      '1',
      '1-1-1',
      '5-1 6-1',
      '5-1  ',
      '5-1  {',
      '5-1  [1,[2]]',
      'a-1  []',
      '5-1 b []',
    ];
    for (const message of odd) await redis.publish(inbox.key, message);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 2);
    expect(await inbox.isSubscribed()).toBe(true);
    expect(inbox.errors).toEqual([]);
  });
});

describe('while the registry has a worker that pushes nothing', () => {
  const describeWorker = async (inbox: InboxOfTest, features: string[]) => {
    const [seconds] = await redis.time();
    const described = {
      seen: Number(seconds) * 1_000,
      ttl: 600_000,
      host: 'h',
      pid: 7,
      version: '0.0.1',
      features,
    };
    await redis.hset(inbox.keys.workers, 'worker', JSON.stringify(described));
    closing({ close: () => redis.del(inbox.keys.workers) });
  };

  it('replies come by blocking reads from the beginning, and by pushes when it has gone', async () => {
    const inbox = new InboxOfTest();
    await describeWorker(inbox, ['limits', 'ordering_keys', 'pause']);
    await inbox.open();
    const isReading = async () => String(await redis.client('LIST')).includes('cmd=xread ');
    await until(async () => (await isReading()) && !(await inbox.isSubscribed()));
    for (let n = 0; n < 5; n++) await inbox.answer(false);
    await until(() => inbox.numbers.length === 5);
    await inbox.timers.advance(BLOCKING_MS);
    await inbox.answer(false);
    await until(() => inbox.numbers.length === 6);
    expect(await inbox.isSubscribed()).toBe(false);
    await describeWorker(inbox, ['pushed_replies']);
    await inbox.timers.advance(2 * BLOCKING_MS);
    if (mayRun('subscribe')) await until(() => inbox.isSubscribed());
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 7);
    expect(inbox.numbers).toEqual(inbox.answered);
  });
});

describe('a client that may not subscribe', () => {
  const rules = (rest: string) => (redisMajor < 7 ? rest.replace(/ ?&\S+/, '') : rest).split(' ');

  it.each([
    ['the command', '~* &* +@all -subscribe'],
    ['the channel', '~* resetchannels &other +@all'],
  ])(
    'to %s: replies come by blocking reads, and the client is told once what would help',
    async (_what, rest) => {
      const server = await ownRedis();
      const admin = clientOf(server);
      const inbox = new InboxOfTest(admin);
      if (redisMajor < 7 && rest.includes('resetchannels')) return;
      await admin.call('ACL', 'SETUSER', 'service', 'on', '>pw', ...rules(rest));
      await inbox.open(server.adminUrl.replace('//', '//service:pw@'));
      for (let n = 0; n < 5; n++) await inbox.answer(true);
      await until(() => inbox.numbers.length === 5);
      await inbox.timers.advance(BLOCKING_MS);
      await inbox.answer(true);
      await until(() => inbox.numbers.length === 6);
      expect(inbox.numbers).toEqual(inbox.answered);
      expect(inbox.warnings).toEqual([
        expect.stringMatching(
          /^Redis refuses SUBSCRIBE: .*\. Allow it with ACL SETUSER service \+publish \+subscribe &queue-\S+\(\* \(/,
        ),
      ]);
      expect(inbox.errors).toEqual([]);
    },
  );
});
