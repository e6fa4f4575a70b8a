import { Command } from 'ioredis';
import { expect, it } from 'vitest';
import { entriesOfReply } from '../../libs/elkmq/src/model/stream-entries.js';
import { newQueueName, redis } from '../support/queue.js';

/** The answer of Redis, in bytes. */
function reply(stream: string): Promise<unknown> {
  const command = new Command('xread', ['STREAMS', stream, '0'], { replyEncoding: null });
  return redis.sendCommand(command) as Promise<unknown>;
}

it('a reply becomes text, whatever is in it', async () => {
  const stream = newQueueName();
  const first = await redis.xadd(stream, '*', 'event', 'Zwölf Boxkämpfer 🥊', 'reply_to', '');
  const second = await redis.xadd(stream, '*', '', 'x'.repeat(100_000));
  expect(entriesOfReply(await reply(stream))).toEqual([
    [first, ['event', 'Zwölf Boxkämpfer 🥊', 'reply_to', '']],
    [second, ['', 'x'.repeat(100_000)]],
  ]);
  await redis.del(stream);
});

it('an entry that was deleted has no fields', () => {
  const deleted = [[Buffer.from('stream'), [[Buffer.from('1-0'), null]]]];
  expect(entriesOfReply(deleted)).toEqual([['1-0', null]]);
});

it('no reply has no entries', async () => {
  expect(entriesOfReply(await reply(newQueueName()))).toEqual([]);
});

it('a reply leads to nothing any more once its entries were taken, so that the garbage collector is done with them', async () => {
  const stream = newQueueName();
  await redis.xadd(stream, '*', 'event', 'x');
  const answer = await reply(stream);
  entriesOfReply(answer);
  expect(answer).toEqual([]);
  await redis.del(stream);
});
