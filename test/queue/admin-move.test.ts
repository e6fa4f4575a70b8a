import { EventQueue, QueueAdmin, ServiceEvent, type QueueChange } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { DAY, deadLetter, writeLetters } from '../support/dead-letters.js';
import { closing, newQueueName, redis, rejection, url } from '../support/queue.js';

const DIED_AT = Date.now() - DAY;
/** The letter that died last has another reason. */
const LETTERS = [
  deadLetter(1, 'failed', 'order.placed', DIED_AT),
  deadLetter(2, 'failed', 'order.placed', DIED_AT + 1),
  deadLetter(3, 'expired', 'order.placed', DIED_AT + 2),
];
const ORIGINS = LETTERS.map(({ origin }) => origin);

interface Move {
  readonly from: string;
  readonly to: string;
  readonly admin: QueueAdmin;
  readonly target: QueueAdmin;
  readonly changes: QueueChange[];
}

/** A queue with dead letters, and an empty one. */
async function startMove(): Promise<Move> {
  const [from, to] = [newQueueName(), newQueueName()];
  await writeLetters(from, LETTERS);
  const changes: QueueChange[] = [];
  const admin = closing(new QueueAdmin(from, url, { audit: (change) => void changes.push(change) }));
  return { from, to, admin, target: closing(new QueueAdmin(to, url)), changes };
}

describe('dead letters that are moved to another queue', () => {
  it('become new messages there, the one that was stored first first, and are told to the audit', async () => {
    const { from, to, admin, target, changes } = await startMove();
    const before = (await admin.messages('dead')).messages.reverse();
    expect(await admin.move({ reason: 'failed' }, to)).toEqual({ count: 2, stayed: {} });
    const { messages } = await target.messages('waiting');
    expect(messages.map(({ payload }) => payload)).toEqual(before.slice(0, 2).map(({ payload }) => payload));
    expect(messages[0]).toMatchObject({ attempt: 1, isRequest: false, headers: before[0]?.headers });
    expect(messages[0]?.event?.action).toBe(before[0]?.event?.action);
    expect(messages[0]?.storedAt).toBeGreaterThan(Number(before[0]?.storedAt));
    expect((await admin.messages('dead')).messages).toMatchObject([{ origin: ORIGINS[2] }]);
    expect(changes).toEqual([{ queue: from, action: 'move', target: { reason: 'failed' }, count: 2, to }]);
  });

  it('keep their ordering key, and wait behind the others of it', async () => {
    const { from, to, admin, target } = await startMove();
    const letter = deadLetter(4);
    const fields = ['headers', '{"tenant":"a"}', 'attempt', '3', 'ordering_key', 'k'];
    await writeLetters(from, [{ ...letter, fields: [...letter.fields, ...fields] }]);
    const events = closing(new EventQueue(to, url));
    await events.enqueue(new ServiceEvent(60, 'step', '0'), { orderingKey: 'k' });
    expect(await admin.move(letter.origin, to)).toEqual({ count: 1, stayed: {} });
    expect((await target.messages('ordered')).messages).toMatchObject([
      { orderingKey: 'k', attempt: 1, headers: { tenant: 'a' } },
    ]);
  });

  it('stay where the other queue cannot take them, or is none', async () => {
    const { from, to, admin } = await startMove();
    await redis.set(`${to}(event_stream)`, 'no stream');
    expect(await rejection(admin.move({}, to))).toMatchObject({ name: 'EnqueueError' });
    expect(await admin.state()).toMatchObject({ deadLetters: 3 });
    expect(await rejection(admin.move({}, from))).toMatchObject({
      message: `toQueue must be another queue, got "${from}"`,
    });
    expect(await admin.move('1-1', newQueueName())).toEqual({ count: 0, stayed: { gone: 1 } });
  });

  it('stay when nothing says which: a forgotten argument does not mean all of them', async () => {
    const { to, admin } = await startMove();
    expect(await rejection(admin.move(undefined as never, to))).toMatchObject({
      message: 'the filter of dead letters must be { action, reason }, got undefined',
    });
    expect(await rejection(admin.move({}, 5 as never))).toMatchObject({
      message: 'toQueue must be a string of well-formed Unicode, got 5',
    });
    expect(await rejection(admin.move({}, ''))).toMatchObject({ message: 'toQueue must not be empty' });
    expect(await admin.state()).toMatchObject({ deadLetters: 3 });
  });
});
