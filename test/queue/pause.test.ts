import { ElkMqServer, InvalidOptionError, QueueAdmin, queues, type QueueChange } from 'nestjs-elkmq';
import { describe, expect, inject, it } from 'vitest';
import { logs, startClient, told } from '../support/nest.js';
import { closing, keysOf, newQueueName, rejection, until, url } from '../support/queue.js';
import { startWorker } from '../support/workers.js';

function adminOf(queue: string): QueueAdmin {
  return closing(new QueueAdmin(queue, url));
}

/** Waits until all workers of the queue have said that they take nothing, or that they take messages. */
async function allPaused(admin: QueueAdmin, paused = true): Promise<void> {
  await until(async () => {
    const workers = await admin.workers();
    return workers.length > 0 && workers.every((worker) => worker.paused === paused);
  });
}

/** The lines of the log about pauses of the queue. */
function linesOf(queue: string): string[] {
  return logs.filter((line) => line.includes(queue) && /paused|resumed/.test(line));
}

describe('a paused queue', () => {
  it('hands out nothing, lets running handlers end, and goes on when it is resumed', async () => {
    const queue = newQueueName();
    const [started, finish]: [number[], (() => void)[]] = [[], []];
    const work = (id: unknown) =>
      new Promise<void>((resolve) => {
        started.push(id as number);
        finish.push(resolve);
      });
    // A worker puts back what it has not started when its process stood still for a part of its lease. The
    // order would change, so the lease is longer than a busy machine takes.
    const server = await startWorker({ queue, concurrency: 4, lease: 60_000 }, { 'work.event': work });
    const client = startClient({ queue });
    for (let id = 0; id < 4; id++) await told(client.emit('work.event', id));
    await until(() => started.length === 4);
    const admin = adminOf(queue);
    await admin.pause('anna');
    await allPaused(admin);
    for (let id = 4; id < 8; id++) await told(client.emit('work.event', id));
    for (const end of finish) end();
    // The running ones are settled, and nothing took their places.
    await until(async () => (await server.state()).running === 0);
    expect(await admin.state()).toMatchObject({ waiting: 4, running: 0, paused: { by: 'anna' } });
    expect(started).toEqual([0, 1, 2, 3]);
    expect(await admin.resume()).toBe(true);
    await until(() => started.length === 8);
    expect(started.slice(4)).toEqual([4, 5, 6, 7]);
    for (const end of finish) end();
    expect(await admin.state()).not.toHaveProperty('paused');
  });

  it('is not read by an idle worker whose read was blocked', async () => {
    const queue = newQueueName();
    const started: unknown[] = [];
    const handler = (id: unknown) => Promise.resolve(started.push(id));
    await startWorker({ queue }, { 'work.event': handler });
    const admin = adminOf(queue);
    await admin.pause();
    await allPaused(admin);
    await told(startClient({ queue }).emit('work.event', 1));
    expect(await admin.state()).toMatchObject({ waiting: 1, running: 0 });
    expect(started).toEqual([]);
    // The message keeps its entry: it was not taken and put back.
    const [message] = (await admin.messages('waiting')).messages;
    expect(message?.id).toBe(message?.origin);
    await admin.resume();
    await until(() => started.length === 1);
  });

  it('gives nothing to a worker that starts, until it is resumed', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    await admin.pause('ops');
    await told(startClient({ queue }).emit('work.event', 1));
    const started: unknown[] = [];
    await startWorker({ queue }, { 'work.event': (id) => Promise.resolve(started.push(id)) });
    expect(await admin.workers()).toMatchObject([{ paused: true }]);
    expect(await admin.state()).toMatchObject({ waiting: 1, running: 0 });
    expect(started).toEqual([]);
    await admin.resume();
    await until(() => started.length === 1);
    await allPaused(admin, false);
  });

  it('holds requests back, and their timeouts count', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    await admin.pause();
    const asked: unknown[] = [];
    await startWorker({ queue }, { ask: (id) => Promise.resolve(asked.push(id)) });
    const client = startClient({ queue });
    const patient = told(client.send('ask', 'patient'));
    const hasty = startClient({ queue, timeout: 1 });
    expect(await told(hasty.send('ask', 'hasty'))).toMatchObject([
      { kind: 'E', error: { code: 'TIMEOUT_EXPIRED' } },
    ]);
    await admin.resume();
    expect(await patient).toMatchObject([{ kind: 'N', value: 1 }, { kind: 'C' }]);
    expect(asked).toEqual(['patient']);
  });

  it('is told once in the log of each worker, and once when it goes on', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    for (let n = 0; n < 2; n++) await startWorker({ queue }, { ask: () => Promise.resolve(1) });
    const { since } = await admin.pause('anna');
    await allPaused(admin);
    await admin.pause('ben');
    await admin.resume();
    await allPaused(admin, false);
    const paused = `warn [ElkMqServer] Queue '${queue}' is paused since ${new Date(since).toISOString()} by anna: this worker takes no messages until it is resumed`;
    const resumed = `log [ElkMqServer] Queue '${queue}' is resumed: this worker takes messages again`;
    expect(linesOf(queue).sort()).toEqual([resumed, resumed, paused, paused]);
  });

  it('can be paused and resumed again and again, which changes nothing', async () => {
    const queue = newQueueName();
    const changes: QueueChange[] = [];
    const admin = closing(new QueueAdmin(queue, url, { audit: (change) => changes.push(change) }));
    const pause = await admin.pause('anna');
    expect(pause).toEqual({ since: expect.any(Number) as unknown, by: 'anna' });
    expect(await admin.pause('ben')).toEqual(pause);
    expect(await admin.state()).toMatchObject({ paused: pause });
    expect(await keysOf(queue)).toEqual({ '(control)': 'hash' });
    expect((await queues(inject('adminUrl'), { limit: 1_000_000 })).queues).toContain(queue);
    expect([await admin.resume(), await admin.resume()]).toEqual([true, false]);
    expect(await keysOf(queue)).toEqual({});
    expect(changes.map(({ action }) => action)).toEqual(['pause', 'pause', 'resume', 'resume']);
    for (const by of ['x'.repeat(257), 7 as unknown as string]) {
      expect(await rejection(admin.pause(by))).toBeInstanceOf(InvalidOptionError);
    }
  });

  it('lets a worker that closes end', async () => {
    const queue = newQueueName();
    const admin = adminOf(queue);
    await admin.pause();
    const server: ElkMqServer = await startWorker({ queue });
    await server.close();
    expect(await admin.workers()).toEqual([]);
    await admin.resume();
  });
});
