import type { DeadLetterCap } from '../dead-letters/dead-letter.js';
import { outcomeOfAbandoned } from '../maintenance/abandonment-policy.js';
import { describeAttemptError } from '../model/attempt-errors.js';
import type { QueuedEvent } from '../model/entry.js';
import { AbandonedError } from '../model/errors.js';
import type { ReplyFrame } from '../model/reply-frame.js';
import { Delivery, type DeliverySettler } from '../settling/delivery.js';
import { InFlight } from '../settling/in-flight.js';
import { DROP, reportOutcome, type Outcome } from '../settling/outcome.js';
import type { SettlementResult } from '../settling/settlement-batch.js';
import type { WorkerListener } from '../worker/worker-options.js';
import type { MemoryBroker, MessageTaker } from './memory-broker.js';

/** The worker reads nothing from Redis, so every delivery has this as its read. */
const READ = { consumer: 'test', sentAt: 0 };

export interface MemoryWorkerOptions {
  readonly concurrency: number;
  readonly maxDeliveries: number;
  readonly deadLetters: DeadLetterCap;
}

/** Takes messages from memory, as `Worker` takes them from Redis, and carries out what becomes of them. */
export class MemoryWorker implements DeliverySettler, MessageTaker {
  readonly hasStillClock = true;
  readonly inFlight = new InFlight<Delivery>();
  readonly #broker: MemoryBroker;
  readonly #listener: WorkerListener;
  readonly #options: MemoryWorkerOptions;
  /** Whether the messages that were in flight belong to the queue again. */
  #hasGivenUp = false;

  constructor(broker: MemoryBroker, listener: WorkerListener, options: MemoryWorkerOptions) {
    this.#broker = broker;
    this.#listener = listener;
    this.#options = options;
  }

  get isBusy(): boolean {
    return this.inFlight.size >= this.#options.concurrency;
  }

  start(): void {
    this.#broker.addTaker(this);
  }

  /**
   * Takes nothing more, lets running messages finish for `drainTimeoutMs` of real time, and gives up the
   * rest.
   * @returns the number of handlers that were still running then
   */
  async stop(drainTimeoutMs: number): Promise<number> {
    this.#broker.removeTaker(this);
    await this.inFlight.drained(drainTimeoutMs);
    const running = [...this.inFlight].filter(({ outcome }) => outcome === undefined);
    this.inFlight.removeAll();
    this.#hasGivenUp = true;
    const reason = `the worker stopped; it waited for ${String(drainTimeoutMs)} ms`;
    for (const delivery of running) delivery.abort(new AbandonedError(reason));
    for (const delivery of running) this.#giveUp(delivery);
    this.#broker.forgetTaker(this);
    return running.length;
  }

  take(queued: QueuedEvent): void {
    const delivery = new Delivery(queued, READ, this);
    this.inFlight.addDelivery(delivery);
    if (!delivery.hasExpired) this.#listener.handle(delivery);
    else if (delivery.replyTo === undefined) delivery.end({ kind: 'dead-letter', reason: 'expired' });
    else delivery.end(DROP);
  }

  now(): number {
    return this.#broker.now;
  }

  settleReplies(delivery: Delivery): void {
    queueMicrotask(() => {
      if (this.#hasGivenUp) {
        delivery.onSettled('lost');
        return;
      }
      const { replies } = delivery.takeReplies(Infinity);
      for (const reply of replies) this.#broker.reply(JSON.parse(reply) as ReplyFrame);
      delivery.onSettled('kept');
    });
  }

  isTriedAgain(): boolean {
    return false;
  }

  carryOut({ queued }: Delivery, outcome: Outcome): Promise<SettlementResult> {
    return new Promise((resolve) => {
      if (!this.#hasGivenUp) this.#writeOutcome(queued, outcome);
      resolve(this.#hasGivenUp ? 'lost' : 'kept');
    });
  }

  releaseDelivery(delivery: Delivery): void {
    const { queued, outcome } = delivery;
    if (this.inFlight.removeDelivery(delivery))
      this.#broker.release(queued, this.#staysHead(queued, outcome));
  }

  /** Decides as a worker does that stops before its handlers have finished. */
  #giveUp({ queued, hasAnswered }: Delivery): void {
    const mayBeTriedAgain = this.#listener.modeOf(queued.event.action) === 'at-least-once' && !hasAnswered;
    const outcome = outcomeOfAbandoned(queued, mayBeTriedAgain, this.#options.maxDeliveries);
    this.#writeOutcome(queued, outcome);
    this.#broker.release(queued, this.#staysHead(queued, outcome));
  }

  /** Whether the message stays the first of its ordering key. */
  #staysHead({ event }: QueuedEvent, outcome: Outcome | undefined): boolean {
    if (outcome?.kind === 'dead-letter') return this.#listener.holdsKey(event.action);
    return outcome?.kind === 'retry' || outcome?.kind === 'requeue';
  }

  #writeOutcome(queued: QueuedEvent, outcome: Outcome): void {
    reportOutcome(this.#listener, queued, outcome);
    switch (outcome.kind) {
      case 'retry': {
        const { failure, delayMs } = outcome;
        const error = failure && describeAttemptError(failure.error, queued.attempt, this.now());
        this.#broker.storeAgain(queued, error, Math.ceil(delayMs));
        return;
      }
      case 'requeue': {
        const error = outcome.error && describeAttemptError(outcome.error, queued.attempt, this.now());
        const abandonedAttempts = queued.abandonedAttempts + 1;
        this.#broker.storeAgain({ ...queued, abandonedAttempts }, error, 0);
        return;
      }
      case 'dead-letter':
        this.#broker.bury(queued, outcome, READ.consumer, this.#options.deadLetters);
        return;
      case 'acknowledge':
      case 'drop':
        // They go out with replies: see `Delivery`.
        throw new Error(`'${outcome.kind}' is carried out with replies`);
      case 'expire':
      case 'legacy-response':
      case 'leave-to-legacy':
        // They are for legacy clients and deduplicated requests.
        throw new Error(`there is no '${outcome.kind}' in memory`);
      default:
        // The compiler asks for a case when there is another outcome.
        return outcome satisfies never;
    }
  }
}
