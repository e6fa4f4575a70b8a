import { setTimeout as sleep } from 'node:timers/promises';
import type { Topic } from 'nestjs-elkmq';

/** Between two changes, ms. */
const PAUSE_MS = 50;
const NAME = 'changing';

/** Changes the table of a topic up to 20 times a second: a subscription comes, gets other patterns, and goes. */
export class TableChanger {
  changes = 0;
  readonly #topic: Topic;
  readonly #stop = new AbortController();
  readonly #ended: Promise<void>;

  constructor(topic: Topic) {
    this.#topic = topic;
    this.#ended = this.#run();
  }

  /** Changes nothing more, and removes the subscription. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#ended;
    await this.#topic.unsubscribe(NAME);
  }

  async #run(): Promise<void> {
    const changes = [
      () => this.#topic.subscribe(NAME, { patterns: ['nothing'] }),
      () => this.#topic.subscribe(NAME, { patterns: ['event'] }),
      () => this.#topic.removePatterns(NAME, ['event']),
      () => this.#topic.unsubscribe(NAME),
    ];
    for (let n = 0; !this.#stop.signal.aborted; n++) {
      try {
        await changes[n % changes.length]?.();
        this.changes++;
      } catch {
        // Redis is away.
      }
      await sleep(PAUSE_MS);
    }
  }
}
