import { setTimeout as sleep } from 'node:timers/promises';
import type { Topic } from 'nestjs-elkmq';
import { median } from '../../bench/statistics.js';
import { PATTERN } from './roles.js';

/** The changes of a second, while Redis answers. At least 20 are wanted, and some come late. */
const CHANGES_PER_SECOND = 25;
/** So many subscriptions change at once, so that a change may take longer than the time between two. */
const LANES = 16;
const INTERVAL_MS = (1_000 * LANES) / CHANGES_PER_SECOND;

/**
 * Changes the table of a topic again and again: subscriptions come, get other patterns, and go. One of them
 * gets the events of the run for half of its time. They are not checked.
 */
export class TableChanger {
  readonly #topic: Topic;
  readonly #begin = performance.now();
  /** The number of changes in each second. */
  readonly #seconds: number[] = [];
  readonly #ended: Promise<unknown>;
  #isStopped = false;

  constructor(topic: Topic) {
    this.#topic = topic;
    this.#ended = Promise.all(Array.from({ length: LANES }, (_, lane) => this.#changeAgainAndAgain(lane)));
  }

  get changes(): number {
    return this.#seconds.reduce((sum, count) => sum + count, 0);
  }

  /** The median of the changes in a second, of those in which Redis answered. */
  get changesPerSecond(): number {
    const answered = this.#seconds.filter((count) => count > 0);
    return answered.length === 0 ? 0 : median(answered);
  }

  /** Changes nothing more, and removes the subscriptions. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#ended;
    for (let lane = 0; lane < LANES; lane++) await this.#topic.unsubscribe(nameOf(lane));
  }

  async #changeAgainAndAgain(lane: number): Promise<void> {
    const name = nameOf(lane);
    const pattern = lane === 0 ? PATTERN : 'other';
    const changes = [
      () => this.#topic.subscribe(name, { patterns: ['nothing'] }),
      () => this.#topic.subscribe(name, { patterns: [pattern] }),
      () => this.#topic.removePatterns(name, [pattern]),
      () => this.#topic.unsubscribe(name),
    ];
    let due = performance.now() + (lane * INTERVAL_MS) / LANES;
    for (let n = 0; !this.#isStopped; n++) {
      await sleep(Math.max(0, due - performance.now()));
      try {
        await changes[n % changes.length]?.();
        this.#count();
      } catch {
        // Redis is away.
      }
      // What an outage has held up is not made up for.
      due = Math.max(due + INTERVAL_MS, performance.now() - INTERVAL_MS);
    }
  }

  #count(): void {
    const second = Math.floor((performance.now() - this.#begin) / 1_000);
    while (this.#seconds.length <= second) this.#seconds.push(0);
    this.#seconds[second] = (this.#seconds[second] ?? 0) + 1;
  }
}

function nameOf(lane: number): string {
  return `changing-${String(lane)}`;
}
