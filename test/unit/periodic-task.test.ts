import { ReplyError } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  PeriodicTask,
  systemTimers,
  type PeriodicTaskOptions,
} from '../../libs/elkmq/src/redis/periodic-task.js';
import { ManualTimers } from '../support/manual-timers.js';

const Refused = ReplyError as new (message: string) => Error;

/** A task at an interval of 100 ms, and the times at which its runs began. */
function newTask(run: () => Promise<unknown>, options: Partial<PeriodicTaskOptions> = {}) {
  const timers = new ManualTimers();
  const begins: number[] = [];
  const task = new PeriodicTask({ name: 'a task', intervalMs: 100, timers, ...options }, async () => {
    begins.push(timers.now());
    return (await run()) as number;
  });
  return { task, timers, begins };
}

const nothing = (): Promise<void> => Promise.resolve();

describe('a periodic task', () => {
  it('runs at its interval, or after the time that its latest run has answered', async () => {
    const answers = [undefined, 30, undefined];
    const { task, timers, begins } = newTask(() => Promise.resolve(answers.shift()));
    task.startTask(10);
    await timers.advance(300);
    expect(begins).toEqual([10, 110, 140, 240]);
  });

  it('does not begin a run while one is under way, and goes on when that has ended', async () => {
    let end = (): void => undefined;
    const { task, timers, begins } = newTask(() => new Promise<void>((resolve) => (end = resolve)));
    task.startTask();
    await timers.advance(150);
    const joined = task.runNow();
    task.runWithin(0);
    await timers.advance(1_000);
    expect(begins).toEqual([100]);
    end();
    await joined;
    await timers.advance(0);
    expect(begins).toEqual([100, 1_150]);
  });

  it('runs at once when asked, and an interval later again', async () => {
    const { task, timers, begins } = newTask(nothing);
    task.startTask();
    await timers.advance(60);
    await task.runNow();
    await timers.advance(110);
    expect(begins).toEqual([60, 160]);
  });

  it('is brought forward, but never put off', async () => {
    const { task, timers, begins } = newTask(nothing);
    task.startTask();
    task.runWithin(50);
    task.runWithin(70);
    task.runWithin(NaN);
    await timers.advance(90);
    expect(begins).toEqual([50]);
  });

  it('stops when the run under way has ended, and never runs again', async () => {
    let end = (): void => undefined;
    const { task, timers, begins } = newTask(() => new Promise<void>((resolve) => (end = resolve)));
    task.startTask();
    await timers.advance(100);
    let hasStopped = false;
    const stopped = task.stopTask().then(() => (hasStopped = true));
    await timers.advance(100);
    expect(hasStopped).toBe(false);
    end();
    await stopped;
    await task.runNow();
    task.runWithin(0);
    await timers.advance(1_000);
    expect(begins).toEqual([100]);
  });

  it('skips its runs while Redis is away', async () => {
    const connection = { isConnected: false };
    const { task, timers, begins } = newTask(nothing, { connection });
    task.startTask();
    await timers.advance(250);
    connection.isConnected = true;
    await timers.advance(100);
    expect(begins).toEqual([300]);
  });

  it('reports once that Redis refuses it, until a run succeeds, and runs on', async () => {
    const refused = new Refused('OOM command not allowed');
    const away = new Error('Connection is closed.');
    const errors = [away, refused, refused, away, undefined, refused];
    const reports: unknown[][] = [];
    const run = (): Promise<void> => {
      const error = errors.shift();
      return error ? Promise.reject(error) : Promise.resolve();
    };
    const { task, timers, begins } = newTask(run, { onRefused: (...report) => reports.push(report) });
    task.startTask();
    await timers.advance(400);
    expect(reports).toEqual([['a task', refused]]);
    await timers.advance(200);
    expect(begins).toHaveLength(6);
    expect(reports).toEqual([
      ['a task', refused],
      ['a task', refused],
    ]);
  });

  it('does not keep the process alive', () => {
    const timeouts = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout');
    const before = timeouts();
    const task = new PeriodicTask({ name: 'a task', intervalMs: 60_000 }, nothing);
    task.startTask();
    expect(timeouts()).toEqual(before);
    void task.stopTask();
  });
});

it('the next run may be a hundred years away: its timer is not one that ends at once', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  let runs = 0;
  const cancel = systemTimers.schedule(100 * 365 * 24 * 60 * 60 * 1_000, () => runs++);
  onTestFinished(cancel);
  // A timer of 1 ms would have ended before this one.
  await sleep(20);
  expect(warnings).toEqual([]);
  expect(runs).toBe(0);
});
