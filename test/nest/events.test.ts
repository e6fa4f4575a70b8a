import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { defer, EMPTY, firstValueFrom, lastValueFrom, Subject, tap, timer } from 'rxjs';
import { type Observable } from 'rxjs';
import { ConnectionError } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, events, logs, moduleOf, requests } from '../support/nest.js';
import { startApp, startClient, unsettled } from '../support/nest.js';
import { failureWith, keysOf, newQueueName, rejection, until } from '../support/queue.js';

interface Order {
  id: number;
}

/** Nothing answers there. */
const NOWHERE = 'redis://127.0.0.1:1';

describe('emit', () => {
  it('sends at once, whether anybody subscribes or not, and ends when the event is in Redis', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    client.emit('order.placed', { id: 1 });
    await lastValueFrom(client.emit('order.placed', { id: 2 }));
    expect(await unsettled(queue)).toBe(2);

    const handled: unknown[] = [];
    await startApp(moduleOf(events({ 'order.placed': (data) => handled.push(data) })), { queue });
    await until(() => handled.length === 2);
    expect(handled).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it('sends once, however many subscribe', async () => {
    const queue = newQueueName();
    const emitted = startClient({ queue }).emit('order.placed', {});
    await Promise.all([lastValueFrom(emitted), lastValueFrom(emitted), lastValueFrom(emitted)]);
    expect(await unsettled(queue)).toBe(1);
  });

  it('before a close is sent before the close is done, however often it is closed', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    for (let id = 0; id < 500; id++) client.emit('order.placed', { id });
    await Promise.all([client.close(), client.close()]);
    expect(await unsettled(queue)).toBe(500);
  });

  it('fails with a ConnectionError when Redis cannot be reached within enqueueTimeout', async () => {
    const client = startClient({ queue: newQueueName(), url: NOWHERE, enqueueTimeout: 100 });
    const error = await failureWith(/ECONNREFUSED/, () => lastValueFrom(client.emit('order.placed', {})));
    expect(error).toBeInstanceOf(ConnectionError);
  });

  it('that fails is logged when nobody has subscribed to it, and only then', async () => {
    const client = startClient({ queue: newQueueName(), url: NOWHERE, enqueueTimeout: 100 });
    const failures = () => logs.filter((line) => line.includes('An event was not emitted'));
    const before = failures().length;
    await rejection(lastValueFrom(client.emit('order.placed', {})));
    await rejection(lastValueFrom(client.emit('order.placed', undefined)));
    await rejection(lastValueFrom(client.emit('order.placed', 10n)));
    expect(failures()).toHaveLength(before);

    client.emit('order.placed', {});
    await until(() => failures().length > before);
    expect(failures().at(-1)).toMatch(
      /^error \[ElkMqClient\] An event was not emitted: ConnectionError: .*ECONNREFUSED/,
    );
  });
});

@Controller()
class Journal {
  readonly lines: string[] = [];

  @EventPattern('order.placed')
  first(@Payload() { id }: Order): void {
    this.lines.push(`first ${String(id)}`);
  }

  @EventPattern('order.placed')
  async second(@Payload() { id }: Order): Promise<void> {
    await firstValueFrom(timer(20));
    this.lines.push(`second ${String(id)}`);
  }

  @EventPattern('order.placed')
  third(@Payload() { id }: Order): Observable<unknown> {
    return timer(20).pipe(tap(() => this.lines.push(`third ${String(id)}`)));
  }
}

describe('an event', () => {
  it('goes to every handler of its pattern, and is settled when all of them are done', async () => {
    const queue = newQueueName();
    const app = await startApp(moduleOf(Journal), { queue });
    await lastValueFrom(startClient({ queue }).emit('order.placed', { id: 7 }));
    await until(async () => (await unsettled(queue)) === 0);
    expect(app.get(Journal).lines.sort()).toEqual(['first 7', 'second 7', 'third 7']);
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it.each([
    ['a promise', (done: Subject<string>) => firstValueFrom(done)],
    ['an Observable', (done: Subject<string>) => done],
    ['a promise of an Observable', (done: Subject<string>) => Promise.resolve(done)],
  ])('is settled when %s of its handler has ended, not before', async (_what, handle) => {
    const queue = newQueueName();
    const done = new Subject<string>();
    await startApp(moduleOf(events({ 'order.placed': () => handle(done) })), { queue });
    await lastValueFrom(startClient({ queue }).emit('order.placed', {}));
    await until(() => done.observed);
    expect(await unsettled(queue)).toBe(1);
    done.next('ready');
    done.complete();
    await until(async () => (await unsettled(queue)) === 0);
  });

  it('is handled by a request handler too, whose answer nobody gets', async () => {
    const queue = newQueueName();
    const handled: unknown[] = [];
    const total = (data: unknown) => defer(() => [handled.push(data)]);
    await startApp(moduleOf(requests({ total })), { queue });
    const client = startClient({ queue });
    await lastValueFrom(client.emit('total', [1, 2]));
    await until(async () => handled.length === 1 && (await unsettled(queue)) === 0);
    expect(handled).toEqual([[1, 2]]);
    await client.close();
    expect(await keysOf(queue)).toEqual({ '(event_stream)': 'stream', '(workers)': 'hash' });
  });

  it('without values from its handler is handled', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(events({ 'order.placed': () => EMPTY })), { queue });
    await lastValueFrom(startClient({ queue }).emit('order.placed', {}));
    await until(async () => (await unsettled(queue)) === 0);
    expect(await deadLettersOf(queue)).toEqual([]);
  });
});
