import { messageOf, nameOf, Summary } from 'elkmq/internal';

/**
 * Logs events that were not stored and whose `emit` nobody has subscribed to: one line with a count for each
 * kind of failure.
 */
export class LossReport {
  readonly #log: (message: string) => void;
  readonly #kinds = new Map<string, Summary<unknown>>();

  constructor(log: (message: string) => void) {
    this.#log = log;
  }

  add(error: unknown): void {
    const name = nameOf(error);
    let kind = this.#kinds.get(name);
    if (!kind) {
      kind = new Summary((count, latest) => {
        const what = count === 1 ? 'An event was' : `${String(count)} events were`;
        this.#log(`${what} not emitted: ${name}: ${messageOf(latest)}`);
      });
      this.#kinds.set(name, kind);
    }
    kind.add(error);
  }

  /** Logs at once what is not logged yet. */
  report(): void {
    for (const kind of this.#kinds.values()) kind.report();
  }
}
