import type { QueueContext } from '../context/queue-context.js';
import { OlderWorkerError } from '../model/errors.js';
import { ORDERING_KEYS, PARTITIONS } from '../model/features.js';
import { attentiveNow } from '../redis/answer-timer.js';
import { workersWithout } from './worker-descriptions.js';

const LOOK_INTERVAL_MS = 60_000;

/** What comes of workers that know no ordering keys, and what to do. */
const NO_ORDERING_KEYS =
  'knows no ordering keys: messages of a key can run at once and out of order, and a key can stop for a minute. Upgrade all workers of the queue before clients send ordering keys';
/** The same of workers that know no partitions. */
const NO_PARTITIONS =
  'knows no partitions: it takes messages of partition 0 only. Upgrade all workers of the queue before it gets partitions';

/**
 * Reports workers of an earlier version that is not able to keep the order of ordering keys, or serves one
 * partition only. It looks at the registry with the first message that needs it, and then once a minute while
 * such messages are sent.
 */
export class OlderWorkers {
  readonly #context: QueueContext;
  readonly #report: (error: OlderWorkerError) => void;
  #nextLook = -Infinity;

  constructor(context: QueueContext, report: (error: OlderWorkerError) => void) {
    this.#context = context;
    this.#report = report;
  }

  /** A message is sent. @param orderingKey its ordering key, if it has one */
  notice(orderingKey: string | undefined): void {
    if (orderingKey === undefined && !this.#context.hasPartitions) return;
    const now = attentiveNow();
    if (now < this.#nextLook) return;
    this.#nextLook = now + LOOK_INTERVAL_MS;
    this.#look().catch(() => {
      // Redis refuses or is away. The next look is as good.
      this.#nextLook = -Infinity;
    });
  }

  async #look(): Promise<void> {
    // A worker that knows partitions knows ordering keys.
    const { hasPartitions, keys } = this.#context;
    const [feature, lack] = hasPartitions ? [PARTITIONS, NO_PARTITIONS] : [ORDERING_KEYS, NO_ORDERING_KEYS];
    for (const { host, pid, version } of await workersWithout(this.#context, feature)) {
      const who = `the worker on ${String(host)}, pid ${String(pid)}, version ${String(version)}`;
      this.#report(new OlderWorkerError(`${who}, ${lack.replace('the queue', `the queue '${keys.queue}'`)}`));
    }
  }
}
