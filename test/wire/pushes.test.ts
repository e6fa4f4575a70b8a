import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { parsePush, type PushCommand } from '../../libs/elkmq/src/model/push.js';
import * as scripts from '../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript } from '../../libs/elkmq/src/redis/scripts.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { newQueueName, redis, until } from '../support/queue.js';

const GROUP = 'elkmq';

/** The inbox of a client, and what comes over its channel. */
async function listenedInbox(client = redis) {
  const keys = new QueueKeys(newQueueName(), false);
  const inbox = keys.inbox('client') as string;
  await client.xdel(inbox, (await client.xadd(inbox, '*', 'created', '')) as string);
  const heard: string[] = [];
  const subscriber = new Redis(client.options);
  onTestFinished(async () => {
    subscriber.disconnect();
    await redis.del(inbox, keys.eventStream);
  });
  await subscriber.subscribe(inbox);
  subscriber.on('message', (_channel: string, message: string) => heard.push(message));
  const reply = async (replies: string, pushes: PushCommand = 'publish') =>
    String(await runScript(client, scripts.reply({ inbox }, { replies, pushes })));
  return { keys, inbox, heard, reply };
}

describe('a push', () => {
  it('is the id of the entry, two blanks, and the replies', async () => {
    const { inbox, heard, reply } = await listenedInbox();
    const first = await reply('["one"]');
    const second = await reply('["two words"]');
    await redis.xdel(inbox, first, second);
    const third = await reply('[3]');
    await until(() => heard.length === 3);
    expect(heard).toEqual([`${first}  ["one"]`, `${second}  ["two words"]`, `${third}  [3]`]);
    expect(heard.map(parsePush)).toEqual([
      { id: first, replies: '["one"]' },
      { id: second, replies: '["two words"]' },
      { id: third, replies: '[3]' },
    ]);
    expect((await redis.xrange(inbox, '-', '+')).map(([id]) => id)).toEqual([third]);
  });

  it('of 16 KiB and more is the id alone', async () => {
    const { heard, reply } = await listenedInbox();
    const ids = [await reply(`["${'x'.repeat(16_384 - 5)}"]`), await reply(`["${'x'.repeat(16_384 - 4)}"]`)];
    await until(() => heard.length === 2);
    expect(heard.map((message) => message.length)).toEqual([
      (ids[0]?.length as number) + 2 + 16_383,
      ids[1]?.length,
    ]);
    expect(parsePush(heard[1] as string)).toEqual({ id: ids[1], replies: undefined });
  });

  it('of another form is none', () => {
    const odd = ['', ' ', 'x', '1', '1-1-1', '5-1 ', '5-1 6-1', 'a-1  []', '-1  []'];
    expect(odd.map(parsePush)).toEqual(odd.map(() => undefined));
  });

  it('of an earlier version names the entry before its own, which nobody needs any more', () => {
    expect(parsePush('5-1 4-1 ["two words"]')).toEqual({ id: '5-1', replies: '["two words"]' });
  });

  it('is not sent by a process that does not push', async () => {
    const { heard, reply } = await listenedInbox();
    await reply('[1]', '');
    const second = await reply('[2]');
    await until(() => heard.length === 1);
    expect(heard).toEqual([`${second}  [2]`]);
  });

  it('comes of every script that adds replies to an inbox', () => {
    const adding = Object.values(scripts.SCRIPTS).filter(({ source }) => source.includes(`'*', 'replies'`));
    expect(adding.map(({ name }) => name).sort()).toEqual([
      'answerInPart',
      'deadLetter',
      'enqueueWithOptions',
      'reply',
      'settle',
      'settleDeduplicated',
      'settleDeduplicatedBatch',
      'settleKeyed',
    ]);
    for (const { source } of adding) {
      expect(source).toContain('local function push_replies');
      expect(source.split(`'*', 'replies'`)).toHaveLength(2);
    }
  });
});

describe('a settlement is whole', () => {
  /** Settles one request. Returns what the script has answered, and what is left in the queue. */
  async function settleOne(client: Redis, stream: string, inbox: string) {
    const id = String(await client.xadd(stream, '*', 'event', '{}', 'reply_to', 'client'));
    await client.xreadgroup('GROUP', GROUP, 'w.1.60000', 'STREAMS', stream, '>');
    const inboxSettlements = [{ inbox: 1, replies: '[1]', ids: [id] }];
    const args = { group: GROUP, first: '', stop: '', inboxSettlements, pushes: 'publish' };
    const lost = await runScript(client, scripts.settle({ eventStream: stream, inboxes: [inbox] }, args));
    return { lost, left: await client.xlen(stream) };
  }

  it('when Redis refuses the push', async () => {
    const server = await ownRedis();
    const admin = clientOf(server);
    const { keys, inbox, heard } = await listenedInbox(admin);
    await admin.call('ACL', 'SETUSER', 'service', 'on', '>pw', '~*', '+@all', '-publish');
    const service = clientOf({ adminUrl: server.adminUrl.replace('//', '//service:pw@') });
    await admin.xgroup('CREATE', keys.eventStream, GROUP, '0', 'MKSTREAM');
    expect(await settleOne(service, keys.eventStream, inbox)).toEqual({ lost: [], left: 0 });
    expect((await admin.xrange(inbox, '-', '+')).map(([, fields]) => fields)).toEqual([['replies', '[1]']]);
    expect(heard).toEqual([]);
  });

  it('when the inbox is a key of another type', async () => {
    const { keys, inbox, heard } = await listenedInbox();
    await redis.del(inbox);
    await redis.set(inbox, 'text');
    await redis.xgroup('CREATE', keys.eventStream, GROUP, '0', 'MKSTREAM');
    expect(await settleOne(redis, keys.eventStream, inbox)).toEqual({ lost: [], left: 0 });
    expect(await redis.get(inbox)).toBe('text');
    expect(heard).toEqual([]);
  });
});
