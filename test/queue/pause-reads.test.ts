import { onTestFinished, describe, expect, it } from 'vitest';
import { GroupConsumer, joinGroup, type Intake } from '../../libs/elkmq/src/consumer/group-consumer.js';
import { Slots } from '../../libs/elkmq/src/consumer/slots.js';
import { QueueContext } from '../../libs/elkmq/src/context/queue-context.js';
import { Promoter } from '../../libs/elkmq/src/maintenance/promoter.js';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import type { StreamEntry } from '../../libs/elkmq/src/model/stream-entries.js';
import { Connection } from '../../libs/elkmq/src/redis/connection.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import { send } from '../../libs/elkmq/src/redis/scripts.js';
import type { Delivery } from '../../libs/elkmq/src/settling/delivery.js';
import { InFlight } from '../../libs/elkmq/src/settling/in-flight.js';
import { OutcomeWriter } from '../../libs/elkmq/src/settling/outcome-writer.js';
import { Settler } from '../../libs/elkmq/src/settling/settler.js';
import { WorkerIntake } from '../../libs/elkmq/src/worker/intake.js';
import { newQueueName, redis, until, url } from '../support/queue.js';

const LEASE_MS = 10_000;
const EVENT = ['event', '{"request_uuid":1,"timeout":60,"action":"work","payload":null}', 'reply_to', ''];

/** A consumer of a queue of its own, which has joined the group. */
async function newConsumer() {
  const source = new RedisSource(url);
  const keys = new QueueKeys(newQueueName(), false);
  const connection = new Connection(source, 5_000);
  await connection.whenConnected(60_000);
  const context = new QueueContext(connection, keys, false);
  await joinGroup(context);
  const consumer = new GroupConsumer(source, context, LEASE_MS);
  onTestFinished(async () => {
    await consumer.stopReading();
    await consumer.leaveGroup();
    await connection.closeConnection();
  });
  return { source, keys, context, consumer };
}

/** Waits until the queue has one entry that nobody has. @returns its fields, name and value in turn */
async function putBack({ eventStream }: QueueKeys, id: string): Promise<string[]> {
  let fields: string[] = [];
  await until(async () => {
    const [entry] = await redis.xrange(eventStream, '-', '+');
    const [pending] = (await redis.xpending(eventStream, 'elkmq')) as [number];
    if (entry) fields = entry[1];
    return pending === 0 && entry !== undefined && entry[0] !== id;
  });
  return fields;
}

describe('a worker whose queue is paused', () => {
  it('puts back what a read brings that Redis answered before it was ended', async () => {
    const { keys, context, consumer } = await newConsumer();
    const taken: StreamEntry[] = [];
    let reads = 0;
    const intake: Intake = {
      grantCredit: () => {
        reads++;
        return 8;
      },
      takeEntries: (entries) => void taken.push(...entries),
      readFailed: () => undefined,
    };
    consumer.startReading(intake);
    await until(() => reads > 0);
    // Redis gets both commands on one connection, so the read has the entry before it is ended.
    const stored = send(context.connection.client, 'xadd', [keys.eventStream, '*', ...EVENT]);
    consumer.pauseReading('operator');
    const id = String(await stored);
    const fields = await putBack(keys, id);
    expect(fields.slice(0, 2)).toEqual(EVENT.slice(0, 2));
    expect(fields[fields.indexOf('origin') + 1]).toBe(id);
    expect(taken).toEqual([]);
    consumer.resumeReading('operator');
    await until(() => taken.length === 1);
  });

  it('puts back what it has and has not started', async () => {
    const { keys, context, consumer } = await newConsumer();
    const inFlight = new InFlight<Delivery>();
    const handled: Delivery[] = [];
    const listener = {
      handle: (delivery: Delivery) => void handled.push(delivery),
      notHandled: () => undefined,
    };
    const slots = new Slots(8);
    const promoter = new Promoter(context, () => undefined);
    const writer = new OutcomeWriter(context, { timeoutMs: 5_000 });
    const settler = new Settler(context, writer, inFlight, slots, promoter, listener as never);
    const intake = new WorkerIntake(
      context,
      consumer,
      settler,
      inFlight,
      promoter,
      slots,
      LEASE_MS,
      listener as never,
    );
    onTestFinished(async () => {
      await promoter.stopPromoting();
      await intake.stopIntake();
    });
    const id = await redis.xadd(keys.eventStream, '*', ...EVENT);
    const entry = await consumer.readOne();
    consumer.pauseReading('operator');
    const read = { consumer: consumer.directName, sentAt: performance.now() };
    intake.takeEntries([entry as StreamEntry], 1, read);
    expect(handled).toEqual([]);
    const fields = await putBack(keys, String(id));
    expect(fields[fields.indexOf('origin') + 1]).toBe(id);
  });
});
