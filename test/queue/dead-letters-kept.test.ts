import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { newQueue } from '../support/event-queue.js';
import { logs, moduleOf, startApp, startClient, unsettled } from '../support/nest.js';
import { redis, until } from '../support/queue.js';
import { DAY, deadLetter, writeLetters, lettersOf } from '../support/dead-letters.js';

describe('what is kept', () => {
  /** Has so many events without a handler die. */
  async function die(queue: string, deaths: number, deadLetters: { max?: number; maxAge?: number }) {
    const app = await startApp(moduleOf(), { queue, deadLetters });
    const client = startClient({ queue });
    const emitted = Array.from({ length: deaths }, (_, n) => lastValueFrom(client.emit('lost', n)));
    await Promise.all(emitted);
    await until(async () => (await unsettled(queue)) === 0);
    await app.close();
    return logs.filter((line) => line.includes(queue) && line.includes('removed'));
  }

  it('is no more than deadLetters.max, the newest; the log says what was removed, but not for each', async () => {
    const queue = newQueue();
    await writeLetters(queue.name, [deadLetter(10), deadLetter(11)]);
    const warnings = await die(queue.name, 8, { max: 5 });
    expect(await queue.deadLetters.count()).toBe(5);
    expect(await queue.deadLetters.count({ action: 'lost' })).toBe(5);
    expect(await redis.hlen(`${queue.name}(dead_letter_bodies)`)).toBe(5);
    const removed = (count: number) =>
      `warn [ElkMqServer] ${count} dead letters of queue '${queue.name}' were removed: more than deadLetters.max (5)`;
    // At once, and the rest when the worker stops.
    expect(warnings).toEqual([removed(1), removed(4)]);
  });

  it('is not older than deadLetters.maxAge', async () => {
    const queue = newQueue();
    const month = 30 * DAY;
    await writeLetters(queue.name, [
      deadLetter(10, 'failed', 'a', Date.now() - month - 1),
      deadLetter(11, 'failed', 'a', Date.now() - month - 2),
      deadLetter(12, 'failed', 'a', Date.now() - month + 60_000),
    ]);
    const warnings = await die(queue.name, 2, { maxAge: month });
    expect((await lettersOf(queue)).map(({ event }) => event?.action)).toEqual(['lost', 'lost', 'a']);
    expect(warnings).toEqual([
      `warn [ElkMqServer] 2 dead letters of queue '${queue.name}' were removed: older than deadLetters.maxAge (${month} ms)`,
    ]);
  });

  it('takes a thousand out at a time, however many there are too many', async () => {
    const queue = newQueue();
    const letters = Array.from({ length: 2_500 }, (_, n) => deadLetter(n + 1_000));
    await writeLetters(queue.name, letters);
    await die(queue.name, 1, { max: 10 });
    expect(await queue.deadLetters.count()).toBe(1_501);
    await die(queue.name, 2, { max: 10 });
    expect(await queue.deadLetters.count()).toBe(10);
  });
});
