import type { QueueContext } from '../context/queue-context.js';
import { AbandonedError } from '../model/errors.js';
import { GROUP } from '../model/keys.js';
import type { Read } from '../consumer/session.js';
import { LEASE_LOST } from '../settling/attempt-signal.js';
import { PeriodicTask } from '../redis/periodic-task.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';

/** An attempt whose lease is to be renewed. */
export interface Leased {
  readonly id: string;
  readonly read: Read;
  /** The attempt is not the consumer's any more. */
  lose(reason: Error): void;
}

/** The number of ids in one call. */
const IDS_PER_CALL = 500;

/** Renews the leases of running attempts, at a third of the lease and as soon as Redis is back. */
export class LeaseRenewer {
  readonly #context: QueueContext;
  readonly #leaseMs: number;
  readonly #running: () => Iterable<Leased>;
  readonly #task: PeriodicTask;

  constructor(context: QueueContext, leaseMs: number, running: () => Iterable<Leased>) {
    this.#context = context;
    this.#leaseMs = leaseMs;
    this.#running = running;
    this.#task = new PeriodicTask({ name: 'leases', intervalMs: leaseMs / 3 }, () => this.#renewAll());
    this.#task.startTask();
  }

  /** Stops renewing. A call that is under way ends with its connection. */
  stopRenewing(): void {
    void this.#task.stopTask();
  }

  /** Renews all leases now, unless that is under way. */
  renew(): void {
    void this.#task.runNow();
  }

  async #renewAll(): Promise<void> {
    const byConsumer = new Map<string, Leased[]>();
    for (const attempt of this.#running()) {
      const { consumer } = attempt.read;
      const attempts = byConsumer.get(consumer);
      if (attempts) attempts.push(attempt);
      else byConsumer.set(consumer, [attempt]);
    }
    for (const [consumer, attempts] of byConsumer) {
      for (let start = 0; start < attempts.length; start += IDS_PER_CALL) {
        const some = attempts.slice(start, start + IDS_PER_CALL);
        const ids = some.map(({ id }) => id);
        const call = scripts.renew(this.#context.keys, { group: GROUP, consumer, ids });
        try {
          const lost = (await callReliably(this.#context.connection, call, this.#leaseMs)) as string[];
          if (lost.length === 0) continue;
          // Attempts that have ended meanwhile are among them. Nothing happens to these.
          for (const attempt of some)
            if (lost.includes(attempt.id)) attempt.lose(new AbandonedError(LEASE_LOST));
        } catch {
          // Redis is away for longer than a lease, or the group is gone. Others may take the
          // messages then; only one of them can end each attempt: see `end_attempt.lua`.
          return;
        }
      }
    }
  }
}
