import type { GroupConsumer, Intake } from '../consumer/group-consumer.js';
import { FlowControl } from '../consumer/flow-control.js';
import type { InHandCount, Slots, SlotUser } from '../consumer/slots.js';
import type { Read } from '../consumer/session.js';
import type { EntryArbiter } from '../legacy/bridge.js';
import type { QueueContext } from '../context/queue-context.js';
import { entryWithoutEvent, nudgeOf, readEntry } from '../model/entry.js';
import { EnqueueError } from '../model/errors.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { Delivery } from '../settling/delivery.js';
import type { InFlight } from '../settling/in-flight.js';
import { DROP, EXPIRE, LEAVE_TO_LEGACY } from '../settling/outcome.js';
import type { AttemptListener, DueTimes, Settler } from '../settling/settler.js';
import { StallWatch } from './stall-watch.js';

/** Handles messages, and is notified of those that did not end well. */
export interface IntakeListener extends AttemptListener {
  /** Handles a message. The delivery must be ended, whatever happens. */
  handle(delivery: Delivery): void;
}

/** An entry that was read and is not started yet. */
interface Fetched {
  readonly entry: StreamEntry;
  readonly read: Read;
  /** Its position in the read. */
  readonly positionInRead: number;
}

/**
 * Makes deliveries of the entries that a worker has taken, and ends at once those that no handler is to have.
 *
 * The entries of one tick are started one after another. Each waits for the callbacks of the one before, so a
 * handler that keeps the processor is noticed. Then the rest goes back to the queue. Others may have taken
 * these entries for abandoned by now, and an entry that has lost its lease must not be started. The rest also
 * goes back when the queue is paused.
 */
export class WorkerIntake implements Intake, SlotUser {
  readonly #context: QueueContext;
  readonly #consumer: GroupConsumer;
  readonly #settler: Settler;
  readonly #inFlight: InFlight<Delivery>;
  readonly #dueTimes: DueTimes;
  readonly #listener: IntakeListener;
  readonly #credit: FlowControl;
  readonly #arbiter: EntryArbiter;
  readonly #stalls: StallWatch;
  #line: Fetched[] = [];
  #isStarting = false;
  /** Whether Redis refuses to hand out entries. */
  #isRefused = false;

  /** @param dueTimes learns when delayed messages are due */
  constructor(
    context: QueueContext,
    consumer: GroupConsumer,
    settler: Settler,
    inFlight: InFlight<Delivery>,
    dueTimes: DueTimes,
    slots: Slots,
    leaseMs: number,
    listener: IntakeListener,
  ) {
    this.#context = context;
    this.#consumer = consumer;
    this.#settler = settler;
    this.#inFlight = inFlight;
    this.#dueTimes = dueTimes;
    this.#listener = listener;
    this.#credit = new FlowControl(slots, leaseMs, this);
    this.#stalls = new StallWatch(leaseMs);
    this.#arbiter = context.legacy.openArbiter({
      won: (entry, winner, isLate) => {
        if (isLate && this.#credit.freeSlots <= consumer.asked) void consumer.handBack([entry]);
        else {
          // Others have decided on the entry, so it counts as the entry of a read of its own.
          this.#line.push({
            entry,
            read: { consumer: winner, sentAt: performance.now() },
            positionInRead: 0,
          });
          // The entries that are won in the same callback start with it.
          if (!this.#isStarting) process.nextTick(this.#startLine);
        }
      },
      putBack: (entries) => consumer.handBack(entries),
      decided: () => {
        consumer.wakeReader();
      },
      failed: (error) => {
        listener.error?.(heldUp('events that legacy consumers may take', error as Error));
      },
    });
  }

  countInHand(): InHandCount {
    return {
      taken: this.#inFlight.size + this.#arbiter.size + this.#line.length,
      confirming: this.#settler.queue.unconfirmed,
    };
  }

  get asked(): number {
    return this.#consumer.asked;
  }

  wakeReader(): void {
    this.#consumer.wakeReader();
  }

  grantCredit(arriving: number): number {
    return this.#credit.forRead(arriving);
  }

  takeEntries(entries: StreamEntry[], asked: number, read: Read): void {
    this.#isRefused = false;
    this.#credit.adapt(entries.length, asked);
    const contested: StreamEntry[] = [];
    let positionInRead = 0;
    for (const entry of entries) {
      if (this.#context.legacy.isContested(entry)) contested.push(entry);
      else this.#line.push({ entry, read, positionInRead });
      positionInRead++;
    }
    if (contested.length > 0) this.#arbiter.decideEntries(contested, read.consumer);
    this.#startLine();
  }

  readFailed(error: Error): void {
    if (!this.#isRefused) this.#listener.error?.(error);
    this.#isRefused = true;
  }

  /** Puts back the entries that are not decided by now. */
  stopIntake(): Promise<void> {
    this.#stalls.stop();
    return this.#arbiter.stopDeciding();
  }

  readonly #startLine = (): void => {
    if (this.#isStarting) return;
    this.#isStarting = true;
    if (this.#line.length > 1) {
      this.#settler.queue.hold();
      this.#startNext();
      return;
    }
    this.#startFirst();
    this.#isStarting = false;
  };

  readonly #startNext = (): void => {
    if (this.#startFirst()) {
      queueMicrotask(this.#afterCallbacks);
      return;
    }
    this.#isStarting = false;
    this.#settler.queue.release();
  };

  /** Waits for the callbacks: a tick comes when no microtask is left. */
  readonly #afterCallbacks = (): void => {
    process.nextTick(this.#startNext);
  };

  /**
   * Starts the first entry of the line, or hands the line back.
   * @returns false when the line was empty
   */
  #startFirst(): boolean {
    const first = this.#line.shift();
    if (!first) return false;
    if (this.#consumer.isPaused || this.#stalls.hasStalledSince(first.read.sentAt)) {
      const rest = [first, ...this.#line.splice(0)];
      void this.#consumer.handBack(rest.map(({ entry }) => entry));
    } else this.#start(first);
    return true;
  }

  #start({ entry, read, positionInRead }: Fetched): void {
    const due = nudgeOf(entry);
    if (due !== undefined) {
      this.#dueTimes.expectDue(due);
      this.#settler.endEntry(entryWithoutEvent(entry), DROP, read.consumer);
      return;
    }
    let queued;
    try {
      queued = readEntry(entry);
    } catch (error) {
      this.#listener.notHandled(`entry ${entry[0]}`, 'malformed', error);
      const outcome = { kind: 'dead-letter', reason: 'malformed', error } as const;
      this.#settler.endEntry(entryWithoutEvent(entry), outcome, read.consumer);
      return;
    }
    // The entry holds no event: see `readEntry`.
    if (!queued) this.#settler.endEntry(entryWithoutEvent(entry), LEAVE_TO_LEGACY, read.consumer);
    else this.#deliver(new Delivery(queued, read, this.#settler, positionInRead));
  }

  #deliver(delivery: Delivery): void {
    this.#inFlight.addDelivery(delivery);
    if (!delivery.hasExpired) this.#handle(delivery);
    else if (delivery.replyTo === undefined) delivery.end({ kind: 'dead-letter', reason: 'expired' });
    // The first caller has gone. Others may be there.
    else if (delivery.queued.deduplication !== undefined) delivery.end(EXPIRE);
    else delivery.end(DROP);
  }

  /** Calls the handler. Nobody above could catch an error. */
  #handle(delivery: Delivery): void {
    try {
      this.#listener.handle(delivery);
    } catch (error) {
      delivery.end({ kind: 'dead-letter', reason: 'failed', error });
    }
  }
}

/** @param what is not done for now */
export function heldUp(what: string, error: Error): EnqueueError {
  return new EnqueueError(`${what}: held up: ${error.message}`, { cause: error });
}
