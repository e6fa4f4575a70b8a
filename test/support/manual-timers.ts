import { setImmediate as endOfTick } from 'node:timers/promises';
import type { Timers } from '../../libs/elkmq/src/redis/periodic-task.js';

/** Timers whose time stands still until a test moves it. */
export class ManualTimers implements Timers {
  #nowMs = 0;
  readonly #scheduled = new Set<{ atMs: number; run: () => void }>();

  now(): number {
    return this.#nowMs;
  }

  schedule(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run };
    this.#scheduled.add(timer);
    return () => void this.#scheduled.delete(timer);
  }

  /** Moves time on. Each timer that is due runs at its own time, with the promises that it settles. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      const [first] = [...this.#scheduled].sort((one, other) => one.atMs - other.atMs);
      if (!first || first.atMs > endMs) break;
      this.#scheduled.delete(first);
      this.#nowMs = first.atMs;
      first.run();
      await endOfTick();
    }
    this.#nowMs = endMs;
  }
}
