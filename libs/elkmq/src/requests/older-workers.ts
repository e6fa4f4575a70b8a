import type { QueueContext } from '../context/queue-context.js';
import { OlderWorkerError } from '../model/errors.js';
import { ORDERING_KEYS } from '../model/features.js';
import { attentiveNow } from '../redis/deadline.js';
import { workersWithout } from './worker-descriptions.js';

const LOOK_INTERVAL_MS = 60_000;

/**
 * Reports workers of an earlier version that is not able to keep the order of ordering keys. It looks at the
 * registry with the first message that has a key, and then once a minute while such messages are sent.
 */
export class OlderWorkers {
  readonly #context: QueueContext;
  readonly #report: (error: OlderWorkerError) => void;
  #nextLook = -Infinity;

  constructor(context: QueueContext, report: (error: OlderWorkerError) => void) {
    this.#context = context;
    this.#report = report;
  }

  /** A message with an ordering key is sent. */
  notice(): void {
    const now = attentiveNow();
    if (now < this.#nextLook) return;
    this.#nextLook = now + LOOK_INTERVAL_MS;
    this.#look().catch(() => {
      // Redis refuses or is away. The next look is as good.
      this.#nextLook = -Infinity;
    });
  }

  async #look(): Promise<void> {
    for (const { host, pid, version } of await workersWithout(this.#context, ORDERING_KEYS)) {
      const what = `the worker on ${String(host)}, pid ${String(pid)}, version ${String(version)}, knows no ordering keys: messages of a key can run at once and out of order, and a key can stop for a minute. Upgrade all workers of the queue '${this.#context.keys.queue}' before clients send ordering keys`;
      this.#report(new OlderWorkerError(what));
    }
  }
}
