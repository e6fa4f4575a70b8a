import { afterEach, expect, it, vi } from 'vitest';
import { BusyPoll } from '../libs/elkmq/src/core/redis/busy-poll.js';

/** A process with one processor never polls. */
vi.mock('node:os', async (original) => ({ ...(await original<object>()), availableParallelism: () => 2 }));

const rounds = vi.spyOn(globalThis, 'setImmediate');
afterEach(() => rounds.mockClear());

const quick = () => Promise.resolve('answer');
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
