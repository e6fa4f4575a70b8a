import { InvalidEventError, InvalidOptionError, UnroutedError } from 'elkmq';
import { ElkMqRecordBuilder } from 'nestjs-elkmq';
import { ElkMqTestTopic } from 'nestjs-elkmq/testing';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { events, moduleOf, startApp } from '../support/nest.js';
import { closing, rejection } from '../support/queue.js';

const RETRY = { attempts: 2, backoff: { type: 'fixed', delay: 60_000, jitter: 0 } } as const;

/** A topic of two services, of which `mail` fails as often as it is told. */
async function startTopic() {
  const topic = new ElkMqTestTopic({ subscriptions: { billing: {}, mail: { retry: RETRY } }, now: 0 });
  const got = { billing: [] as unknown[], mail: [] as unknown[] };
  const failing = { times: 0 };
  const mail = (data: unknown): void => {
    if (failing.times-- > 0) throw new Error('not yet');
    got.mail.push(data);
  };
  const billing = (data: unknown): unknown => got.billing.push(data);
  await startApp(moduleOf(events({ 'order.placed': billing })), topic.server('billing'));
  await startApp(moduleOf(events({ 'order.*': mail })), topic.server('mail'));
  closing(topic.client);
  return { topic, got, failing };
}

describe('a test topic, without Redis', () => {
  it('gives each service what it has handlers for', async () => {
    const { topic, got } = await startTopic();
    await lastValueFrom(topic.client.emit('order.placed', 1), { defaultValue: 0 });
    await lastValueFrom(topic.client.emit('order.paid', 2), { defaultValue: 0 });
    await topic.idle();
    expect(got).toEqual({ billing: [1], mail: [1, 2] });
    expect(topic.unrouted).toBe(0);
  });

  it('tries again for the service that fails alone, on a clock that a test moves', async () => {
    const { topic, got, failing } = await startTopic();
    failing.times = 1;
    topic.client.emit('order.placed', 1);
    await topic.idle();
    expect(got).toEqual({ billing: [1], mail: [] });
    expect(topic.waiting('mail')).toBe(1);
    await topic.advance(60_000);
    expect(got).toEqual({ billing: [1], mail: [1] });
    expect(topic.now).toBe(60_000);
  });

  it('keeps dead letters for each service', async () => {
    const { topic, failing } = await startTopic();
    failing.times = 2;
    topic.client.emit('order.placed', 1);
    await topic.advance(60_000);
    expect(topic.deadLetters('mail').map(({ reason }) => reason)).toEqual(['failed']);
    expect(topic.deadLetters('billing')).toEqual([]);
  });

  it('delays an event for each service', async () => {
    const { topic, got } = await startTopic();
    topic.client.emit('order.placed', new ElkMqRecordBuilder(1).setDelay(1_000).build());
    await topic.idle();
    expect(got.billing).toEqual([]);
    await topic.advance(1_000);
    expect(got).toEqual({ billing: [1], mail: [1] });
  });

  it('has deduplication keys of its own, and not one for each service', async () => {
    const { topic, got } = await startTopic();
    const once = (data: number) => new ElkMqRecordBuilder(data).setDeduplicationKey('key', 1_000).build();
    const emit = (pattern: string, data: number) =>
      lastValueFrom(topic.client.emit(pattern, once(data)), { defaultValue: 0 });
    await emit('nobody has it', 0);
    await emit('order.paid', 1);
    await emit('order.placed', 2);
    await emit('nobody has it', 3);
    await topic.idle();
    expect([got, topic.unrouted]).toEqual([{ billing: [], mail: [1] }, 1]);
    await topic.advance(1_000);
    await emit('order.placed', 4);
    await topic.idle();
    expect(got).toEqual({ billing: [4], mail: [1, 4] });
  });

  it('counts what nobody gets, and refuses it with `requireSubscription`; a request fails', async () => {
    const options = { subscriptions: { billing: {} }, client: { requireSubscription: true } };
    const topic = new ElkMqTestTopic(options);
    expect(await rejection(lastValueFrom(topic.client.emit('order.placed', 1)))).toBeInstanceOf(
      UnroutedError,
    );
    expect(topic.unrouted).toBe(1);
    expect(await rejection(lastValueFrom(topic.client.send('a', 1)))).toBeInstanceOf(InvalidEventError);
    expect(() => topic.server('mail' as never)).toThrow('has no subscription "mail"; it has billing');
  });

  it.each<[unknown, string]>([
    [undefined, 'ElkMqTestTopic takes an object of options (client, now, subscriptions), got undefined'],
    [{}, 'subscriptions must be an object with the options of each server, such as { billing: {} }'],
    [{ subscriptions: ['billing'] }, 'got an array of 1'],
    [{ subscriptions: { billing: null } }, 'subscriptions.billing must be an object of options, got null'],
    [{ subscriptions: { billing: { retries: 3 } } }, 'ElkMqServer has no option "retries"'],
    [{ subscriptions: {}, client: 5 }, 'client must be an object of options, got 5'],
    [{ subscriptions: {}, now: Number.NaN }, 'now must be a number of milliseconds'],
    [{ subscriptions: {}, subscription: 'a' }, 'ElkMqTestTopic has no option "subscription"'],
  ])('refuses what it does not take: %j', (options, message) => {
    const create = () => new ElkMqTestTopic(options as never);
    expect(create).toThrow(InvalidOptionError);
    expect(create).toThrow(message);
  });

  it('refuses to move its clock by what is no time', async () => {
    const topic = new ElkMqTestTopic({ subscriptions: { billing: {} } });
    expect(await rejection(topic.advance(-1))).toBeInstanceOf(InvalidOptionError);
  });
});
