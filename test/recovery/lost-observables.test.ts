import { ElkMqModule, ElkMqRecordBuilder, type ElkMqContext, type ElkMqServerOptions } from 'nestjs-elkmq';
import { concat, finalize, NEVER, of, Subject, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { eventsOf } from '../support/entries.js';
import { deadLettersOf, events, moduleOf, requests, startApp, startClient, told } from '../support/nest.js';
import { newQueueName, redis, until } from '../support/queue.js';

/** Starts a handler that answers with an Observable, and notes when it is subscribed to and unsubscribed from. */
async function handling(
  kind: 'request' | 'deduplicated request' | 'event' | 'event of two handlers',
  options: Partial<ElkMqServerOptions>,
  source: Observable<unknown> = NEVER,
) {
  const queue = newQueueName();
  const steps: string[] = [];
  const reasons: unknown[] = [];
  const handler = (_data: unknown, { signal }: ElkMqContext): Observable<unknown> => {
    signal.addEventListener('abort', () => reasons.push(signal.reason));
    steps.push('begins');
    return source.pipe(finalize(() => steps.push('unsubscribed')));
  };
  const isRequest = kind.endsWith('request');
  const module = moduleOf((isRequest ? requests : events)({ watch: handler }));
  if (kind === 'event of two handlers') module.controllers?.push(events({ watch: () => 'another one' }));
  const app = await startApp({ ...module, imports: [ElkMqModule] }, { queue, lease: 1_000, ...options });
  const client = startClient({ queue });
  const values: unknown[] = [];
  const record = new ElkMqRecordBuilder({});
  if (kind === 'deduplicated request') record.setDeduplicationKey('key');
  if (!isRequest) await told(client.emit('watch', {}));
  else
    client.send('watch', record.build()).subscribe({ next: (value) => values.push(value), error: () => 0 });
  await until(() => steps.length === 1);
  const takeAway = async (): Promise<string> => {
    const [{ id } = { id: '' }] = await eventsOf(queue);
    await redis.xdel(`${queue}(event_stream)`, id);
    await redis.xack(`${queue}(event_stream)`, 'elkmq', id);
    return id;
  };
  return { queue, app, steps, reasons, values, takeAway };
}

const kinds = ['request', 'deduplicated request', 'event', 'event of two handlers'] as const;
const abandoned = [expect.objectContaining({ code: 'ABANDONED' })];

describe.each(kinds)('the Observable of a handler, of a %s, is unsubscribed', (kind) => {
  it('when the lease was lost and another worker tries again; the slot is free', async () => {
    const { app, steps, reasons, takeAway } = await handling(kind, {
      delivery: 'at-least-once',
      drainTimeout: 2_000_000_000,
    });
    await takeAway();
    await until(() => steps.length === 2);
    expect(steps).toEqual(['begins', 'unsubscribed']);
    expect(reasons).toEqual(abandoned);
    await app.close();
  });

  it('when the server has waited for drainTimeout', async () => {
    const { app, queue, steps, reasons } = await handling(kind, { drainTimeout: 1 });
    await app.close();
    expect(steps).toEqual(['begins', 'unsubscribed']);
    expect(reasons).toEqual(abandoned);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'abandoned' }]);
  });
});

it('values that had begun are stopped when the lease was lost, and no other worker tries again', async () => {
  const source = concat(of(1), NEVER);
  const { app, steps, values, takeAway } = await handling('request', { drainTimeout: 2_000_000_000 }, source);
  await until(() => values.length === 1);
  await takeAway();
  await until(() => steps.length === 2);
  await app.close();
});

it.each(['request', 'event'] as const)(
  'with "once" a %s that was given up goes on: its late success withdraws the dead letter',
  async (kind) => {
    const source = new Subject<void>();
    const { queue, app, steps, reasons, takeAway } = await handling(kind, {}, source);
    const id = await takeAway();
    await redis.zadd(`${queue}(dead_letters)`, Date.now(), id);
    await redis.hset(`${queue}(dead_letter_bodies)`, id, JSON.stringify({ reason: 'abandoned', origin: id }));
    await until(() => reasons.length === 1);
    expect(steps).toEqual(['begins']);
    source.complete();
    await app.close();
    expect(await deadLettersOf(queue)).toEqual([]);
  },
);
