import { describe, expect, it } from 'vitest';
import { Deadline } from '../../libs/elkmq/src/redis/deadline.js';
import { keepBusy } from '../support/busy.js';

describe('a deadline', () => {
  it('passes after its time when the process is not busy, and not when it was stopped', async () => {
    const begin = performance.now();
    await new Promise<void>((resolve) => {
      new Deadline(50, resolve);
      const stopped = new Deadline(20, () => {
        throw new Error('it passed');
      });
      stopped.stop();
    });
    expect(performance.now() - begin).toBeGreaterThanOrEqual(49);
  });

  it('does not count the time in which the process was busy, but for a step', async () => {
    let order = '';
    const passed = new Promise<void>((resolve) => {
      new Deadline(250, () => {
        order += 'deadline';
        resolve();
      });
    });
    keepBusy(300);
    // Due long before, had the time counted.
    setTimeout(() => (order += 'timer '), 100);
    await passed;
    expect(order).toBe('timer deadline');
  });
});
