import { Controller, Inject, Injectable, type CanActivate, UseGuards } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { ClientProxy, Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { CancelledError, ElkMqContext, ElkMqRecordBuilder, TimeoutExpiredError } from 'nestjs-elkmq';
import { ElkMqTestQueue, type ElkMqTestQueueOptions } from 'nestjs-elkmq/testing';
import { interval, lastValueFrom, Subject, take, type Observable } from 'rxjs';
import { expect, it, vi } from 'vitest';
import { listening, logger } from '../support/nest.js';
import { closing, rejection } from '../support/queue.js';

@Injectable()
class Bank {
  readonly charged: [number, number][] = [];
  failures = 0;
}

const noTroll: CanActivate = { canActivate: (execution) => execution.switchToRpc().getData() !== 'troll' };

@Controller()
@UseGuards(noTroll)
class Orders {
  constructor(
    @Inject(Bank) private readonly bank: Bank,
    @Inject('QUEUE') private readonly client: ClientProxy,
  ) {}

  @MessagePattern('total')
  total(@Payload() prices: number[]): number {
    return prices.reduce((sum, price) => sum + price, 0);
  }

  @MessagePattern('ticks')
  ticks(): Observable<number> {
    return interval(1).pipe(take(3));
  }

  @MessagePattern('for ever')
  async forEver(@Payload() _data: unknown, @Ctx() context: ElkMqContext): Promise<void> {
    await new Promise((resolve) => {
      context.signal.addEventListener('abort', resolve);
    });
    reasons.push(context.signal.reason);
  }

  @EventPattern<string>('charge', {
    retry: { attempts: 3, backoff: { type: 'fixed', delay: 60_000, jitter: 0 } },
  })
  charge(@Payload() order: number, @Ctx() context: ElkMqContext): void {
    if (this.bank.failures-- > 0) throw new RpcException('closed');
    this.bank.charged.push([order, context.getAttempt()]);
  }

  @EventPattern('place')
  place(@Payload() order: number): void {
    this.client.emit('charge', order);
  }
}
const reasons: unknown[] = [];

async function started(options?: ElkMqTestQueueOptions): Promise<{ queue: ElkMqTestQueue; bank: Bank }> {
  const queue = new ElkMqTestQueue(options);
  const providers = [Bank, { provide: 'QUEUE', useValue: queue.client }];
  const builder = Test.createTestingModule({ controllers: [Orders], providers });
  const module = await builder.setLogger(logger).compile();
  const app = closing(module.createNestMicroservice({ strategy: queue.server }));
  await app.listen();
  return { queue, bank: module.get(Bank) };
}

it('handlers answer through the real pipeline, guards and errors as well', async () => {
  const { queue } = await started();
  expect(await lastValueFrom(queue.client.send('total', [5, 10]))).toBe(15);
  expect(await lastValueFrom(queue.client.send('ticks', {}))).toBe(2);
  expect(await rejection(lastValueFrom(queue.client.send('total', 'troll')))).toEqual({
    status: 'error',
    message: 'Forbidden resource',
  });
  expect(await rejection(lastValueFrom(queue.client.send('unknown', {})))).toContain(
    'no matching message handler',
  );
});

it('a failed event is tried again when the clock says so, not before', async () => {
  const { queue, bank } = await started();
  bank.failures = 2;
  queue.client.emit('place', 7);
  await queue.advance(59_999);
  expect([bank.charged, bank.failures, queue.waiting]).toEqual([[], 1, 1]);
  await queue.advance(60_001);
  expect([bank.charged, queue.waiting, queue.running]).toEqual([[[7, 3]], 0, 0]);
});

it('what is not handled is among the dead letters', async () => {
  const { queue, bank } = await started({ now: 1_000 });
  bank.failures = 3;
  queue.client.emit('charge', 7);
  queue.client.emit('nobody', 8);
  await queue.advance(120_000);
  expect(queue.deadLetters).toMatchObject([
    { reason: 'unhandled', event: { action: 'nobody', payload: '8' } },
    { reason: 'failed', attempts: 3, firstAt: 1_000, lastAt: 121_000, event: { action: 'charge' } },
  ]);
});

it('a delayed message comes when it is due', async () => {
  const { queue, bank } = await started();
  queue.client.emit('charge', new ElkMqRecordBuilder(9).setDelay(3_600_000).build());
  await queue.advance(3_599_999);
  expect(bank.charged).toEqual([]);
  await queue.advance(1);
  expect(bank.charged).toEqual([[9, 1]]);
});

it('messages that wait together come in the order in which they were due', async () => {
  const seen: string[] = [];
  const queue = new ElkMqTestQueue({ server: { concurrency: 1 } });
  const step = (name: string, context: ElkMqContext) => {
    seen.push(`${name} ${String(context.getAttempt())}`);
    if (name === 'again' && context.getAttempt() === 1) context.retry(1_500);
    return name === 'busy' ? busy : Promise.resolve();
  };
  let release = (): void => undefined;
  const busy = new Promise<void>((resolve) => {
    release = resolve;
  });
  const emit = (name: string, delay = 0) =>
    queue.client.emit('step', new ElkMqRecordBuilder(name).setDelay(delay).build());
  queue.server.addHandler('step', step, true);
  await listening(queue.server);
  emit('again');
  await queue.advance(0);
  emit('busy');
  emit('late', 2_000);
  emit('early', 1_000);
  await queue.advance(3_000);
  emit('last');
  release();
  await queue.idle();
  expect(seen).toEqual(['again 1', 'busy 1', 'early 1', 'again 2', 'late 1', 'last 1']);
});

it('an event with the same deduplication key comes once in its window', async () => {
  const { queue, bank } = await started();
  const record = new ElkMqRecordBuilder(1).setDeduplicationKey('one', 10_000).build();
  queue.client.emit('charge', record);
  queue.client.emit('charge', record);
  await queue.advance(10_000);
  queue.client.emit('charge', record);
  await queue.idle();
  expect(bank.charged).toHaveLength(2);
});

it('a request times out by the clock, and its handler learns it; unsubscribing reaches it too', async () => {
  const { queue } = await started({ client: { timeout: 5_000 } });
  const error = rejection(lastValueFrom(queue.client.send('for ever', {})));
  await queue.advance(4_999);
  expect(queue.running).toBe(1);
  await queue.advance(1);
  expect(await error).toBeInstanceOf(TimeoutExpiredError);
  expect(await error).toMatchObject({ message: "no response to 'for ever' within 5000 ms" });
  const waiting = queue.client.send('for ever', {}).subscribe();
  await queue.advance(0);
  waiting.unsubscribe();
  await queue.idle();
  expect(reasons).toEqual([expect.any(TimeoutExpiredError), expect.any(CancelledError)]);
});

it('the time of the machine ends no request and aborts no signal', async () => {
  const queue = new ElkMqTestQueue({ client: { timeout: 1_000 } });
  const values = new Subject<string>();
  const signals: AbortSignal[] = [];
  const handler = (_: unknown, context: ElkMqContext) => {
    signals.push(context.signal);
    return Promise.resolve(values);
  };
  queue.server.addHandler('values', handler);
  await listening(queue.server);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  try {
    const answer = lastValueFrom(queue.client.send('values', {}));
    await queue.advance(0);
    vi.advanceTimersByTime(2_000);
    await queue.advance(0);
    expect([signals[0]?.aborted, queue.running]).toEqual([false, 1]);
    values.next('in time');
    values.complete();
    expect(await answer).toBe('in time');
  } finally {
    vi.useRealTimers();
  }
});

it('a letter has the errors of the attempts before its last one', async () => {
  const { queue, bank } = await started({ now: 1_000 });
  bank.failures = 3;
  queue.client.emit('charge', 7);
  await queue.advance(120_000);
  const { fields = [] } = queue.deadLetters[0] ?? {};
  const errors = JSON.parse(fields[fields.indexOf('errors') + 1] ?? '') as unknown;
  expect(errors).toMatchObject([
    { attempt: 1, at: 1_000, message: '{"status":"error","message":"closed"}' },
    { attempt: 2, at: 61_000, message: '{"status":"error","message":"closed"}' },
  ]);
});

it('the newest dead letters are kept, and a letter that is removed frees its ordering key', async () => {
  const seen: string[] = [];
  const queue = new ElkMqTestQueue({ server: { deadLetters: { max: 2, maxAge: 10_000 } } });
  const step = (name: string) => {
    seen.push(name);
    return Promise.reject(new Error('broken'));
  };
  queue.server.addHandler('step', step, true, { order: 'block' });
  await listening(queue.server);
  const emit = (name: string, key: string) =>
    queue.client.emit('step', new ElkMqRecordBuilder(name).setOrderingKey(key).build());
  const payloads = () => queue.deadLetters.map(({ payload }) => payload);
  emit('first', 'a');
  emit('behind first', 'a');
  await queue.advance(1_000);
  emit('second', 'b');
  await queue.advance(1_000);
  expect([payloads(), queue.waiting]).toEqual([['first', 'second'], 1]);
  emit('third', 'c');
  await queue.idle();
  // The letter of `third` takes the place of `first`, whose key is free then. The next one of that key takes
  // the place of `second`.
  expect(seen).toEqual(['first', 'second', 'third', 'behind first']);
  expect(payloads()).toEqual(['third', 'behind first']);
  await queue.advance(10_000);
  emit('fourth', 'd');
  await queue.idle();
  expect(payloads()).toEqual(['fourth']);
});

it('keys of requests and of events do not meet, and the state of the queue can be asked for', async () => {
  const queue = new ElkMqTestQueue();
  const noted: unknown[] = [];
  queue.server.addHandler('ask', (data: unknown) => Promise.resolve(data));
  queue.server.addHandler('note', (data: unknown) => Promise.resolve(noted.push(data)), true);
  const keyed = (data: number) => new ElkMqRecordBuilder(data).setDeduplicationKey('key').build();
  queue.server.listen(() => undefined);
  expect(await lastValueFrom(queue.client.send('ask', keyed(1)))).toBe(1);
  queue.client.emit('note', keyed(2));
  queue.client.emit('note', keyed(3));
  queue.client.emit('note', new ElkMqRecordBuilder(4).setDelay(1_000).build());
  await queue.idle();
  expect(noted).toEqual([2]);
  const state = {
    waiting: 0,
    running: 0,
    delayed: 1,
    deadLetters: 0,
    behindKeys: 0,
    blockedKeys: 0,
    oldestWaiting: 0,
    workers: 1,
  };
  expect([await queue.client.state(), await queue.server.state()]).toEqual([state, state]);
});

it("with order 'block', a dead letter holds its ordering key until it is retried or removed", async () => {
  const seen: string[] = [];
  const broken = new Set(['bad', 'worse']);
  const queue = new ElkMqTestQueue();
  const step = (name: string) => {
    seen.push(name);
    return broken.has(name) ? Promise.reject(new Error('broken')) : Promise.resolve();
  };
  queue.server.addHandler('step', step, true, { order: 'block' });
  await new Promise<void>((resolve) => {
    queue.server.listen(() => {
      resolve();
    });
  });
  const keyed = (name: string) => new ElkMqRecordBuilder(name).setOrderingKey('a').build();
  for (const name of ['bad', 'second', 'worse', 'last']) queue.client.emit('step', keyed(name));
  await queue.idle();
  expect(seen).toEqual(['bad']);
  broken.delete('bad');
  expect(queue.retryDeadLetter(queue.deadLetters[0]?.origin ?? '')).toBe(true);
  await queue.idle();
  expect(seen).toEqual(['bad', 'bad', 'second', 'worse']);
  const [{ origin } = { origin: '' }] = queue.deadLetters;
  expect([queue.removeDeadLetter(origin), queue.removeDeadLetter(origin)]).toEqual([true, false]);
  await queue.idle();
  expect(seen.slice(4)).toEqual(['last']);
  expect([queue.waiting, queue.deadLetters]).toEqual([0, []]);
});

it('keeps the order of an ordering key, while other keys go on', async () => {
  const seen: string[] = [];
  let fail = true;
  const queue = new ElkMqTestQueue();
  queue.server.addHandler(
    'step',
    (name: string, context: ElkMqContext) => {
      seen.push(`${name} ${String(context.getOrderingKey())}`);
      if (name === 'first' && fail) context.retry(1_000);
      return Promise.resolve();
    },
    true,
  );
  await new Promise<void>((resolve) => {
    queue.server.listen(() => {
      resolve();
    });
  });
  const keyed = (key: string, name: string) => new ElkMqRecordBuilder(name).setOrderingKey(key).build();
  queue.client.emit('step', keyed('a', 'first'));
  queue.client.emit('step', keyed('a', 'second'));
  queue.client.emit('step', keyed('b', 'other'));
  await queue.idle();
  expect(seen).toEqual(['first a', 'other b']);
  expect(await queue.client.state()).toMatchObject({ waiting: 1, behindKeys: 1, blockedKeys: 1, delayed: 1 });
  fail = false;
  await queue.advance(1_000);
  expect(seen).toEqual(['first a', 'other b', 'first a', 'second a']);
  expect(queue.waiting).toBe(0);
});
