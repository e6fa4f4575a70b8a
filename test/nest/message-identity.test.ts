import { lastValueFrom } from 'rxjs';
import { EventQueue, QueueAdmin, type ElkMqContext } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, events, moduleOf, startApp, startClient, told } from '../support/nest.js';
import { closing, newQueueName, until, url } from '../support/queue.js';

/** Notes the uuid and the origin of each attempt at an event, all of which fail. */
function identities() {
  const seen: { uuid: string; origin: string }[] = [];
  const note = (_data: unknown, context: ElkMqContext): never => {
    seen.push({ uuid: String(context.getEvent().uuid), origin: context.getOrigin() });
    throw new Error('once more');
  };
  return { seen, module: moduleOf(events({ note }, { retry: { attempts: 2, backoff: 1 } })) };
}

describe('the uuid of an event', () => {
  it('is the same in each attempt, and when its dead letter is retried or moved', async () => {
    const [queue, other] = [newQueueName(), newQueueName()];
    const { seen, module } = identities();
    await startApp(module, { queue });
    await told(startClient({ queue }).emit('note', 1));
    await until(async () => (await deadLettersOf(queue)).length === 1);
    const { deadLetters } = closing(new EventQueue(queue, url));
    expect(await deadLetters.retry({})).toBe(1);
    await until(() => seen.length === 4);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    await closing(new QueueAdmin(queue, url)).move({ reason: 'failed' }, other);
    await startApp(module, { queue: other });
    await until(() => seen.length === 6);
    expect(new Set(seen.map(({ uuid }) => uuid)).size).toBe(1);
    // The origin stays the same in each attempt only.
    expect(new Set(seen.map(({ origin }) => origin)).size).toBe(3);
  });

  it('is another one for each event', async () => {
    const queue = newQueueName();
    const { seen, module } = identities();
    await startApp(module, { queue });
    const client = startClient({ queue });
    await Promise.all([1, 1].map((data) => lastValueFrom(client.emit('note', data), { defaultValue: 0 })));
    await until(() => seen.length === 4);
    expect(new Set(seen.map(({ uuid }) => uuid)).size).toBe(2);
  });
});
