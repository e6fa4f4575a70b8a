import { describe, expect, it } from 'vitest';
import { AnswerTimer } from '../../libs/elkmq/src/redis/answer-timer.js';
import { keepBusy } from '../support/busy.js';

describe('a timer for an answer', () => {
  it('passes after its time when the process is not busy, and not when it was stopped', async () => {
    const begin = performance.now();
    await new Promise<void>((resolve) => {
      new AnswerTimer(50, resolve);
      const stopped = new AnswerTimer(20, () => {
        throw new Error('it passed');
      });
      stopped.stopTimer();
    });
    expect(performance.now() - begin).toBeGreaterThanOrEqual(49);
  });

  it('does not count the time in which the process was busy, but for a step', async () => {
    let order = '';
    const passed = new Promise<void>((resolve) => {
      new AnswerTimer(250, () => {
        order += 'over';
        resolve();
      });
    });
    keepBusy(300);
    // Due long before, had the time counted.
    setTimeout(() => (order += 'timer '), 100);
    await passed;
    expect(order).toBe('timer over');
  });
});
