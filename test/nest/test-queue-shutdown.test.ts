import { AbandonedError, ElkMqContext, ElkMqRecordBuilder } from 'nestjs-elkmq';
import { ElkMqTestQueue, type ElkMqTestQueueOptions } from 'nestjs-elkmq/testing';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { listening } from '../support/nest.js';
import { rejection } from '../support/queue.js';

/** A queue whose handlers of `step` and `ask` wait for `release` in their first attempt. */
async function startHeld(server: NonNullable<ElkMqTestQueueOptions['server']>) {
  const queue = new ElkMqTestQueue({ server });
  const started: string[] = [];
  const ended: string[] = [];
  const reasons: unknown[] = [];
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const handle = async (name: string, context: ElkMqContext): Promise<string> => {
    started.push(`${name} ${String(context.getAttempt())}`);
    if (context.getAttempt() === 1) {
      context.signal.addEventListener('abort', () => reasons.push(context.signal.reason));
      await held;
    }
    ended.push(name);
    return name;
  };
  queue.server.addHandler('step', handle, true);
  queue.server.addHandler('ask', handle);
  await listening(queue.server);
  const emit = (name: string) =>
    queue.client.emit('step', new ElkMqRecordBuilder(name).setOrderingKey('key').build());
  return { queue, started, ended, reasons, release, emit };
}

describe('the server of a test queue that is closed', () => {
  it('takes nothing more, and waits for its handlers', async () => {
    const { queue, started, ended, release, emit } = await startHeld({});
    emit('first');
    emit('second');
    await queue.advance(0);
    const closed = queue.server.close().then(() => ended.push('closed'));
    await queue.advance(0);
    expect([started, ended, queue.running]).toEqual([['first 1'], [], 1]);
    release();
    await closed;
    expect([started, ended]).toEqual([['first 1'], ['first', 'closed']]);
    expect([queue.running, queue.waiting, queue.deadLetters]).toEqual([0, 1, []]);
  });

  it("moves to the dead letters what has not ended after 'drainTimeout'", async () => {
    const { queue, started, ended, reasons, release, emit } = await startHeld({ drainTimeout: 1 });
    emit('first');
    emit('second');
    const answer = rejection(lastValueFrom(queue.client.send('ask', 'request')));
    await queue.advance(0);
    await queue.server.close();
    expect(reasons).toEqual([expect.any(AbandonedError), expect.any(AbandonedError)]);
    expect(await answer).toBeInstanceOf(AbandonedError);
    expect(queue.deadLetters).toMatchObject([
      { reason: 'abandoned', payload: 'first', attempts: 1, error: { name: 'AbandonedError' } },
      { reason: 'abandoned', payload: 'request' },
    ]);
    // The message behind it is free, and the late end of the first handler changes nothing.
    await listening(queue.server);
    release();
    await queue.idle();
    expect(started).toEqual(['first 1', 'request 1', 'second 1']);
    expect(ended).toContain('second');
    expect([queue.running, queue.waiting, queue.deadLetters.length]).toEqual([0, 0, 2]);
  });

  it("leaves the message to the next worker with 'at-least-once', until 'maxDeliveries'", async () => {
    const { queue, started, release, emit } = await startHeld({
      drainTimeout: 1,
      delivery: 'at-least-once',
      maxDeliveries: 2,
    });
    emit('first');
    emit('second');
    await queue.advance(0);
    await queue.server.close();
    expect([queue.deadLetters, queue.waiting, queue.running]).toEqual([[], 2, 0]);
    await listening(queue.server);
    await queue.advance(0);
    expect(started).toEqual(['first 1', 'first 2', 'second 1']);
    emit('third');
    await queue.server.close();
    expect([queue.deadLetters, queue.waiting]).toEqual([[], 2]);
    release();
    await queue.idle();
    expect([queue.deadLetters, queue.waiting]).toEqual([[], 2]);
  });

  it("moves a message to the dead letters as 'exhausted' when 'maxDeliveries' workers have gone with it", async () => {
    const { queue, emit } = await startHeld({ drainTimeout: 1, delivery: 'at-least-once', maxDeliveries: 1 });
    emit('first');
    await queue.advance(0);
    await queue.server.close();
    expect(queue.deadLetters).toMatchObject([{ reason: 'exhausted', error: { name: 'AbandonedError' } }]);
  });
});
