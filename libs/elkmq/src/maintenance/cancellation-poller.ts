import type { QueueContext } from '../context/queue-context.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import type { Delivery } from '../settling/delivery.js';

/** The pause between two looks, ms. Requests that end between two looks are never asked about. */
const POLL_INTERVAL_MS = 250;
/** The number of origins in one call. */
const REQUESTS_PER_CALL = 1_000;

/** Asks whether the callers of slow requests still wait, and cancels the requests that nobody waits for. */
export class CancellationPoller {
  readonly #context: QueueContext;
  readonly #running: () => Iterable<Delivery>;
  readonly #task: PeriodicTask;
  /** The requests that were running at the last look. A request that still runs at the next one is slow. */
  #seen = new Set<Delivery>();

  constructor(context: QueueContext, running: () => Iterable<Delivery>) {
    this.#context = context;
    this.#running = running;
    const options = { name: 'cancellations', intervalMs: POLL_INTERVAL_MS, connection: context.connection };
    this.#task = new PeriodicTask(options, () => this.#look());
    this.#task.startTask();
  }

  stopPolling(): void {
    void this.#task.stopTask();
    this.#seen.clear();
  }

  async #look(): Promise<void> {
    const requests = new Set<Delivery>();
    for (const delivery of this.#running()) {
      if (delivery.replyTo !== undefined && !delivery.outcome && !delivery.isCancelled)
        requests.add(delivery);
    }
    const slow = [...requests].filter((delivery) => this.#seen.has(delivery));
    this.#seen = requests;
    // An error means that Redis went away or refuses. The next look asks again.
    if (slow.length > 0) await this.#ask(slow);
  }

  /** Whether a caller has joined a deduplicated request since the others left it. */
  async #isAwaited({ queued: { origin, deduplication } }: Delivery): Promise<boolean> {
    if (deduplication === undefined) return false;
    const record = this.#context.keys.deduplication('request', deduplication);
    const answer = await send(this.#context.connection.client, 'hmget', [record, 'origin', 'waiters']);
    const [first, waiters] = answer as (string | null)[];
    return first === origin && Boolean(waiters);
  }

  async #ask(requests: Delivery[]): Promise<void> {
    const { client } = this.#context.connection;
    const byOrigin = new Map(requests.map((delivery) => [delivery.queued.origin, delivery]));
    const origins = [...byOrigin.keys()];
    // Usually there are none.
    if ((await send(client, 'exists', [this.#context.keys.cancelled])) === 0) return;
    for (let start = 0; start < origins.length; start += REQUESTS_PER_CALL) {
      const some = origins.slice(start, start + REQUESTS_PER_CALL);
      const call = scripts.takeCancelled(this.#context.keys, { origins: some });
      const cancelled = (await runScript(client, call)) as string[];
      for (const origin of cancelled) {
        const delivery = byOrigin.get(origin);
        if (delivery && !(await this.#isAwaited(delivery))) delivery.cancel();
      }
    }
  }
}
