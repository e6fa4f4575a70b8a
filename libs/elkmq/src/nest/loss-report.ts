import { messageOf, nameOf } from '../core/thrown.js';

/** Events that are lost within this time are told in one line, ms. */
const GATHER_MS = 1_000;
/** Between two reports at the least, ms. */
const PAUSE_MS = 10_000;

interface Loss {
  count: number;
  latest: unknown;
}

/** Tells of events that were not emitted, where nobody is told of each: a line with a count for each kind of failure. */
export class LossReport {
  readonly #log: (message: string) => void;
  readonly #losses = new Map<string, Loss>();
  #timer: NodeJS.Timeout | undefined;
  #reportedAt = -Infinity;

  constructor(log: (message: string) => void) {
    this.#log = log;
  }

  add(error: unknown): void {
    const kind = nameOf(error);
    const loss = this.#losses.get(kind) ?? { count: 0, latest: error };
    loss.count++;
    loss.latest = error;
    this.#losses.set(kind, loss);
    const pause = Math.max(GATHER_MS, this.#reportedAt + PAUSE_MS - performance.now());
    this.#timer ??= setTimeout(() => {
      this.report();
    }, pause);
  }

  /** Tells now what has not been told yet. */
  report(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#losses.size === 0) return;
    this.#reportedAt = performance.now();
    for (const { count, latest } of this.#losses.values()) {
      const what = count === 1 ? 'An event was' : `${String(count)} events were`;
      this.#log(`${what} not emitted: ${nameOf(latest)}: ${messageOf(latest)}`);
    }
    this.#losses.clear();
  }
}
