import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.js';
import { GROUP_FAULTS, PROCESS_FAULTS, REDIS_FAULTS, type Fault, type Targets } from './kinds.js';

/** Faults that last at once, at the most. */
const AT_ONCE = 3;

/** Faults by their names. */
export interface FaultKinds<T> {
  /** While one of these lasts, no other one of these begins. */
  readonly alone: Readonly<Record<string, Fault<T>>>;
  readonly together: Readonly<Record<string, Fault<T>>>;
}

/** @param voidsOnce whether there may be faults that `once`, and one at a time, do not outlive */
export function faultsOfOneRedis(voidsOnce: boolean): FaultKinds<Targets> {
  return { alone: { ...REDIS_FAULTS, ...(voidsOnce ? GROUP_FAULTS : {}) }, together: PROCESS_FAULTS };
}

/**
 * Breaks one thing after the other, in an order and at intervals that the seed repeats, until it is stopped: all kinds of
 * faults once, in a random order, then all again.
 */
export class Schedule<T extends { readonly random: Random }> {
  readonly counts: Record<string, number> = {};
  readonly #targets: T;
  readonly #kinds: FaultKinds<T>;
  readonly #lasting = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #alone: Promise<void> = Promise.resolve();

  /** @param pause between two faults at the most, ms */
  constructor(
    targets: T,
    kinds: FaultKinds<T>,
    private readonly pause: number,
  ) {
    this.#targets = targets;
    this.#kinds = kinds;
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
    const alone = this.#kinds.alone[kind];
    const strike = alone ?? this.#kinds.together[kind];
    if (!strike) throw new Error(`there is no fault ${kind}`);
    const before = alone ? this.#alone : Promise.resolve();
    const lasting = before.then(() => strike(this.#targets)).finally(() => this.#lasting.delete(lasting));
    this.#lasting.add(lasting);
    if (alone) this.#alone = lasting;
  }

  #deck(): string[] {
    const { random } = this.#targets;
    const { alone, together } = this.#kinds;
    return [...Object.keys(alone), ...Object.keys(together)]
      .map((kind) => ({ kind, place: random.fraction() }))
      .sort((one, other) => one.place - other.place)
      .map(({ kind }) => kind);
  }

  #pause(duration: number): Promise<void> {
    return sleep(duration, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }
}
