import { setTimeout as sleep } from 'node:timers/promises';
import { GROUP_FAULTS, PROCESS_FAULTS, REDIS_FAULTS, type Targets } from './kinds.js';

/** Faults that last at once, at the most. */
const AT_ONCE = 3;

/**
 * Breaks one thing after the other, in an order and at intervals that the seed repeats, until it is stopped: all kinds of
 * faults once, in a random order, then all again.
 */
export class Schedule {
  readonly counts: Record<string, number> = {};
  readonly #targets: Targets;
  readonly #voidsOnce: boolean;
  readonly #lasting = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #redis: Promise<void> = Promise.resolve();

  /**
   * @param voidsOnce whether there may be faults that `once`, and one at a time, do not outlive
   * @param pause between two faults at the most, ms
   */
  constructor(
    targets: Targets,
    voidsOnce: boolean,
    private readonly pause: number,
  ) {
    this.#targets = targets;
    this.#voidsOnce = voidsOnce;
  }

  /** @param onFault is told what breaks */
  async run(onFault: (kind: string) => void): Promise<void> {
    const { random } = this.#targets;
    while (!this.#isStopped()) {
      for (const kind of this.#deck()) {
        await this.#pause(random.between(100, this.pause));
        if (this.#lasting.size >= AT_ONCE) await Promise.race(this.#lasting);
        if (this.#isStopped()) break;
        onFault(kind);
        this.counts[kind] = (this.counts[kind] ?? 0) + 1;
        this.#strike(kind);
      }
    }
    await Promise.all(this.#lasting);
  }

  /** Breaks nothing more; what is broken becomes whole as it would have. */
  stop(): void {
    this.#stop.abort();
  }

  #isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  #strike(kind: string): void {
    const ofRedis = REDIS_FAULTS[kind] ?? GROUP_FAULTS[kind];
    const strike = ofRedis ?? PROCESS_FAULTS[kind];
    if (!strike) throw new Error(`there is no fault ${kind}`);
    const before = ofRedis ? this.#redis : Promise.resolve();
    const lasting = before.then(() => strike(this.#targets)).finally(() => this.#lasting.delete(lasting));
    this.#lasting.add(lasting);
    if (ofRedis) this.#redis = lasting;
  }

  #deck(): string[] {
    const { random } = this.#targets;
    const kinds = [...Object.keys(REDIS_FAULTS), ...Object.keys(PROCESS_FAULTS)];
    if (this.#voidsOnce) kinds.push(...Object.keys(GROUP_FAULTS));
    return kinds
      .map((kind) => ({ kind, place: random.fraction() }))
      .sort((one, other) => one.place - other.place)
      .map(({ kind }) => kind);
  }

  #pause(duration: number): Promise<void> {
    return sleep(duration, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
