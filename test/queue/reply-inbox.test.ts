import type { Redis } from 'ioredis';
import type { RedisSourceInput } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { clusterBehind } from '../support/cluster.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing, redisMajor, until } from '../support/queue.js';
import { Proxy } from '../support/proxy.js';
import { clusterAt, replyPlaces, type ReplyPlace } from '../support/reply-forms.js';
import { InboxOfTest, type InboxPlace } from '../support/reply-inbox.js';

const LOOK_MS = 1_000;
const BLOCKING_MS = 60_000;

const PLACES = replyPlaces();
const PUSHING_PLACES = PLACES.filter(([, canPush]) => canPush);

/** An inbox whose client has subscribed and has read what was there before. */
async function subscribedInbox(place: InboxPlace): Promise<InboxOfTest> {
  const inbox = new InboxOfTest(place);
  await inbox.open();
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

/** Replies are not pushed until the client has gone over to blocking reads. */
async function missUntilBlocking(inbox: InboxOfTest, { isCluster, admin }: ReplyPlace): Promise<void> {
  const isThrough = () => inbox.numbers.length === inbox.answered.length;
  if (!isCluster) {
    // The first one may still be taken by the read that a subscription begins with, and is not missed then.
    await until(async () => {
      if (!(await inbox.isSubscribed())) return true;
      await inbox.answer(false);
      await inbox.timers.advance(LOOK_MS);
      return false;
    });
    return;
  }
  // No other client of this Cluster reads. Its client subscribes anew before it goes over.
  const isReading = async () => / flags=b .* cmd=xread /.test(String(await admin.client('LIST')));
  for (;;) {
    await until(async () => (await isReading()) || (await inbox.isSubscribed()));
    if (await isReading()) return;
    await inbox.answer(false);
    await lookUntil(inbox, isThrough);
  }
}

/** A place that no other test uses at the same time. */
async function ownPlace(
  place: ReplyPlace,
): Promise<{ admin: Redis; source: RedisSourceInput; isCluster: boolean }> {
  if (place.isCluster) return place;
  const server = await ownRedis();
  return { admin: clientOf(server), source: server.url, isCluster: false };
}

async function calls(command: string, client: Redis): Promise<number> {
  const stats = await client.info('commandstats');
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

/** The place behind a network of its own. */
async function placeBehindProxy({ admin, url, isCluster }: ReplyPlace) {
  const proxy = closing(await Proxy.before(url));
  const servers = [{ port: Number(new URL(url).port) }];
  return { proxy, admin, isCluster, source: isCluster ? clusterBehind([proxy], servers) : proxy.url };
}

async function ownServer(): Promise<{ admin: Redis; url: string }> {
  const server = await ownRedis();
  return { admin: clientOf(server), url: server.adminUrl };
}

describe.each(PUSHING_PLACES)('an inbox whose replies are pushed, on %s,', (_where, _canPush, placeOf) => {
  it('is not read: replies come with the push, and go out of the inbox', async () => {
    const place = await ownPlace(placeOf());
    const { admin } = place;
    const inbox = new InboxOfTest(place);
    await inbox.open();
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
    const inbox = new InboxOfTest(placeOf());
    await inbox.create();
    await inbox.answer(true);
    await inbox.answer(false);
    await inbox.open();
    await until(() => inbox.numbers.length === 2);
    await until(() => inbox.isSubscribed());
  });

  it('has large replies, which are only announced, in their order', async () => {
    const inbox = await subscribedInbox(placeOf());
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
    const inbox = await subscribedInbox(placeOf());
    await inbox.answer(false);
    await lookUntil(inbox, () => inbox.numbers.length === 2);
  });

  it('is looked at once more after the last push, so nothing stays in it that was not pushed', async () => {
    const place = await ownPlace(placeOf());
    const inbox = await subscribedInbox(place);
    inbox.isWaiting = false;
    await place.admin.xadd(inbox.key, '*', 'replies', '[]');
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 2);
    await lookUntil(inbox, async () => (await place.admin.xlen(inbox.key)) === 0);
  });

  it('is looked at again when a look after the last push has failed', async () => {
    const place = await ownPlace(placeOf());
    const { admin } = place;
    const inbox = await subscribedInbox(place);
    inbox.isWaiting = false;
    await lookUntil(inbox, async () => (await admin.xlen(inbox.key)) === 0);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 2);
    await admin.rename(inbox.key, `${inbox.key}:away`);
    await admin.set(inbox.key, 'no inbox');
    const reads = await calls('xread', admin);
    await inbox.timers.advance(LOOK_MS);
    await until(async () => (await calls('xread', admin)) > reads);
    await admin.del(inbox.key);
    await admin.rename(`${inbox.key}:away`, inbox.key);
    await admin.xadd(inbox.key, '*', 'replies', '[]');
    await lookUntil(inbox, async () => (await admin.xlen(inbox.key)) === 0);
  });

  it('is not looked at while nobody waits and no push comes', async () => {
    const place = await ownPlace(placeOf());
    const { admin } = place;
    const inbox = new InboxOfTest(place);
    await inbox.open();
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 1);
    inbox.isWaiting = false;
    await until(() => inbox.isSubscribed());
    // The look that may be under way ends.
    await inbox.timers.advance(LOOK_MS);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 2);
    // The look after that push.
    await inbox.timers.advance(LOOK_MS);
    const reads = await calls('xread', admin);
    await inbox.timers.advance(20 * LOOK_MS);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 3);
    expect(await calls('xread', admin)).toBe(reads);
  });

  it('is read at once when a push shows that the reply before it was not pushed', async () => {
    const inbox = await subscribedInbox(placeOf());
    await inbox.answer(false);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 3);
    expect(inbox.numbers).toEqual(inbox.answered);
  });

  it('is read with the next look, and a reply counts as missed, although a later one to another request was pushed', async () => {
    const place = placeOf();
    const inbox = await subscribedInbox(place);
    await inbox.answer(false);
    await inbox.answerOther(true);
    await until(() => inbox.others === 1);
    expect(inbox.numbers).toEqual([0]);
    // On Cluster the client subscribes anew before it goes over to blocking reads, which another test shows.
    await lookUntil(
      inbox,
      async () => inbox.numbers.length === 2 && (place.isCluster || !(await inbox.isSubscribed())),
    );
    await inbox.answer(place.isCluster);
    await until(() => inbox.numbers.length === 3);
    expect(inbox.numbers).toEqual(inbox.answered);
  });

  it('is read by blocking reads once a reply was not pushed, so the next ones do not wait for a look', async () => {
    const inbox = await subscribedInbox(placeOf());
    await missUntilBlocking(inbox, placeOf());
    for (let n = 0; n < 10; n++) await inbox.answer(false);
    await until(() => inbox.numbers.length === inbox.answered.length);
    expect(inbox.numbers).toEqual(inbox.answered);
  });

  it('stays with pushes on Cluster when one reply was not pushed: its slot may have been on its way', async () => {
    const { isCluster } = placeOf();
    if (!isCluster) return;
    const inbox = await subscribedInbox(placeOf());
    await inbox.answer(false);
    await lookUntil(inbox, async () => inbox.numbers.length === 2 && !(await inbox.isSubscribed()));
    await until(() => inbox.isSubscribed());
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 3);
    expect(inbox.numbers).toEqual(inbox.answered);
  });

  it('goes back to pushes after a minute, then after two, and keeps the order of replies all the time', async () => {
    const inbox = await subscribedInbox(placeOf());
    for (const factor of [1, 2, 4]) {
      await missUntilBlocking(inbox, placeOf());
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
    const { proxy, ...place } = await placeBehindProxy(placeOf());
    const inbox = await subscribedInbox(place);
    // The push waits in the network while the inbox is read over the other connection.
    proxy.delayAnswers(/subscribe/i, 500);
    await inbox.answer(true);
    await lookUntil(inbox, () => inbox.numbers.length === 2);
    proxy.delayAnswers(/subscribe/i, 0);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 3);
    expect(await inbox.isSubscribed()).toBe(true);
  });

  it('takes pushes that name the entry before, as a worker of the last version sends them', async () => {
    const place = placeOf();
    const inbox = await subscribedInbox(place);
    let before = '';
    for (let n = 1; n <= 3; n++) {
      const replies = `[["7",1,${String(n)},0,${String(n)}]]`;
      const id = String(await place.admin.xadd(inbox.key, '*', 'replies', replies));
      // The client does not look by itself: its clock stands still.
      await inbox.publish(`${id} ${before} ${replies}`);
      before = id;
    }
    await until(() => inbox.numbers.length === 4);
    expect(inbox.numbers).toEqual([0, 1, 2, 3]);
  });

  it('ignores pushes of another form', async () => {
    const inbox = await subscribedInbox(placeOf());
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
    for (const message of odd) await inbox.publish(message);
    await inbox.answer(true);
    await until(() => inbox.numbers.length === 2);
    expect(await inbox.isSubscribed()).toBe(true);
    expect(inbox.errors).toEqual([]);
  });
});

describe.each(PLACES)(
  'while the registry has a worker that pushes nothing, on %s,',
  (_where, canPush, placeOf) => {
    const describeWorker = async (inbox: InboxOfTest, features: string[]) => {
      const { admin } = placeOf();
      const [seconds] = await admin.time();
      const described = {
        seen: Number(seconds) * 1_000,
        ttl: 600_000,
        host: 'h',
        pid: 7,
        version: '0.0.1',
        features,
      };
      await admin.hset(inbox.keys.workers, 'worker', JSON.stringify(described));
      closing({ close: () => admin.del(inbox.keys.workers) });
    };

    it('replies come by blocking reads from the beginning, and by pushes when it has gone', async () => {
      const inbox = new InboxOfTest(placeOf());
      await describeWorker(inbox, ['limits', 'ordering_keys', 'pause']);
      await inbox.open();
      const isReading = async () => String(await placeOf().admin.client('LIST')).includes('cmd=xread ');
      await until(async () => (await isReading()) && !(await inbox.isSubscribed()));
      for (let n = 0; n < 5; n++) await inbox.answer(false);
      await until(() => inbox.numbers.length === 5);
      await inbox.timers.advance(BLOCKING_MS);
      await inbox.answer(false);
      await until(() => inbox.numbers.length === 6);
      expect(await inbox.isSubscribed()).toBe(false);
      await describeWorker(inbox, ['pushed_replies']);
      await inbox.timers.advance(2 * BLOCKING_MS);
      if (canPush) await until(() => inbox.isSubscribed());
      await inbox.answer(true);
      await until(() => inbox.numbers.length === 7);
      expect(inbox.numbers).toEqual(inbox.answered);
    });
  },
);

describe.each(PUSHING_PLACES)('a client that may not subscribe, on %s,', (_where, _canPush, placeOf) => {
  const rules = (rest: string) => (redisMajor < 7 ? rest.replace(/ ?&\S+/, '') : rest).split(' ');

  it.each([
    ['the command', '~* &* +@all -SUBSCRIBE'],
    ['the channel', '~* resetchannels &other +@all'],
  ])(
    'to %s: replies come by blocking reads, and the client is told once what would help',
    async (_what, rest) => {
      if (redisMajor < 7 && rest.includes('resetchannels')) return;
      const place = placeOf();
      const [publish, subscribe] = place.isCluster ? ['spublish', 'ssubscribe'] : ['publish', 'subscribe'];
      const { admin, url: adminUrl } = place.isCluster ? place : await ownServer();
      await admin.call(
        'ACL',
        'SETUSER',
        'service',
        'reset',
        'on',
        '>pw',
        ...rules(rest.replace('SUBSCRIBE', subscribe)),
      );
      const url = adminUrl.replace(/\/\/(?:.*@)?/, '//service:pw@');
      const source = place.isCluster ? clusterAt(url) : url;
      const inbox = new InboxOfTest({ admin, source, isCluster: place.isCluster });
      await inbox.open();
      for (let n = 0; n < 5; n++) await inbox.answer(true);
      await until(() => inbox.numbers.length === 5);
      await inbox.timers.advance(BLOCKING_MS);
      await inbox.answer(true);
      await until(() => inbox.numbers.length === 6);
      expect(inbox.numbers).toEqual(inbox.answered);
      expect(inbox.warnings).toEqual([
        expect.stringMatching(
          `^Redis refuses ${subscribe.toUpperCase()}: .*\\. Allow it with ACL SETUSER service \\+${publish} \\+${subscribe} &{?queue-\\S+\\(\\* \\(`,
        ),
      ]);
      expect(inbox.errors).toEqual([]);
    },
  );
});
