import { afterEach, expect, it, vi } from 'vitest';
import { BusyPoll } from '../libs/elkmq/src/core/redis/busy-poll.js';

/** A process with one processor never polls. */
vi.mock('node:os', async (original) => ({ ...(await original<object>()), availableParallelism: () => 2 }));

const rounds = vi.spyOn(globalThis, 'setImmediate');
afterEach(() => rounds.mockClear());

const quick = () => Promise.resolve('answer');
/** To within microseconds, which a timer is not. */
async function precisely(ms: number): Promise<void> {
  const end = performance.now() + ms;
  const { port1, port2 } = new MessageChannel();
  await new Promise<void>((resolve) => {
    port1.on('message', () => {
      if (performance.now() >= end) resolve();
      else port2.postMessage('');
    });
    port2.postMessage('');
  });
  port1.close();
}
const slow = (ms: number) => new Promise<string>((resolve) => setTimeout(resolve, ms, 'answer'));

async function times(count: number, wait: () => Promise<unknown>): Promise<void> {
  for (let n = 0; n < count; n++) await wait();
}

it('the event loop goes round while a steady sequence of quick answers goes on, for a moment at the most', async () => {
  const poll = new BusyPoll();
  // On a busy machine the moment can be over before the first round.
  await vi.waitFor(async () => {
    await times(100, () => poll.for(quick()));
    rounds.mockClear();
    expect(await poll.for(slow(5))).toBe('answer');
    expect(rounds.mock.calls.length).toBeGreaterThan(1);
  });
  await times(100, () => poll.for(quick()));

  const moment = performance.now();
  const answer = poll.for(slow(50));
  await slow(20);
  const before = rounds.mock.calls.length;
  await answer;
  expect(performance.now() - moment).toBeGreaterThan(40);
  expect(rounds.mock.calls.length).toBe(before);
});

/** The share of waits in which the event loop goes round. */
async function shareOfPolled(poll: BusyPoll, waits: number[]): Promise<number> {
  let polled = 0;
  for (const ms of waits) {
    rounds.mockClear();
    await poll.for(precisely(ms));
    if (rounds.mock.calls.length > 0) polled++;
  }
  return polled / waits.length;
}

it('also where a round trip takes long, but not for answers to what comes at random', async () => {
  // On a busy machine waits that should be the same are not.
  await vi.waitFor(async () => {
    const poll = new BusyPoll();
    const steady = Array.from({ length: 100 }, () => 0.45);
    await shareOfPolled(poll, steady);
    expect(await shareOfPolled(poll, steady)).toBeGreaterThan(0.8);
    const random = () => Array.from({ length: 200 }, () => -Math.log(Math.random()) * 0.3);
    await shareOfPolled(poll, random());
    expect(await shareOfPolled(poll, random())).toBeLessThan(0.2);
  }, 20_000);
});

it('nothing goes round for the first answers, nor once answers are slow', async () => {
  const poll = new BusyPoll();
  await times(8, () => poll.for(quick()));
  expect(rounds).not.toHaveBeenCalled();
  await times(100, () => poll.for(quick()));
  await times(10, () => poll.for(slow(5)));
  rounds.mockClear();
  await times(10, () => poll.for(slow(5)));
  expect(rounds).not.toHaveBeenCalled();
});

it('an answer, or that there is none, ends the round', async () => {
  const poll = new BusyPoll();
  await times(100, () => poll.for(quick()));
  rounds.mockClear();
  await poll.for(quick());
  await slow(5);
  expect(rounds).toHaveBeenCalledTimes(1);
  await expect(poll.for(Promise.reject(new Error('gone')))).rejects.toThrow('gone');
  await slow(5);
  expect(rounds).toHaveBeenCalledTimes(2);
});
