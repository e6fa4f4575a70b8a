import type { QueueContext } from '../legacy/queue-context.js';
import type { Contest, LegacyBridge } from '../legacy/bridge.js';
import type { Read } from '../consumer/session.js';
import { FlowControl } from '../consumer/flow-control.js';
import { describeMalformed, type DeadLetterReason } from '../dead-letters/dead-letter.js';
import { Delivery } from '../settling/delivery.js';
import type { Endings } from '../settling/endings.js';
import type { GroupConsumer, Intake } from '../consumer/group-consumer.js';
import type { Outcomes } from '../settling/outcomes.js';
import type { InFlight } from '../settling/in-flight.js';
import type { Settler } from '../settling/settler.js';
import { StallWatch } from './stall-watch.js';
import type { StreamEntry } from '../model/stream-entries.js';
import { nudgeOf, readEntry } from '../model/entry.js';

/** Is notified of the entries that a worker takes. */
export interface IntakeListener {
  handle(delivery: Delivery): void;
  /** A message is due at this time, ms since 1970 on the clock of Redis. */
  expect(due: number): void;
  dropped(what: string, reason: DeadLetterReason, error?: unknown): void;
  /** Something is held up for now. */
  heldUp(what: string, error: Error): void;
}

/** The parts of the worker that this file needs. */
export interface IntakeOwner {
  readonly concurrency: number;
  readonly legacy: LegacyBridge;
  readonly outcomes: Outcomes;
  readonly endings: Endings;
  readonly running: InFlight<Delivery>;
  readonly settler: Settler;
  /** ms */
  readonly lease: number;
  consumer(): GroupConsumer | undefined;
}

/** An entry that was read and is not started yet. */
interface Fetched {
  readonly entry: StreamEntry;
  readonly read: Read;
  /** Its position in the read. */
  readonly nth: number;
}

/**
 * Makes deliveries of the entries that a worker has taken, and ends at once those that no handler is to have.
 *
 * The entries of one tick are started one after another. Each waits for the callbacks of the one before, so a
 * handler that keeps the processor is noticed. Then the rest goes back to the queue. Others may have taken
 * these entries for abandoned by now, and an entry that has lost its lease must not be started.
 */
export class WorkerIntake implements Intake {
  readonly #owner: IntakeOwner;
  readonly #listener: IntakeListener;
  readonly #credit: FlowControl;
  readonly #contest: Contest;
  readonly #stalls: StallWatch;
  #line: Fetched[] = [];
  #isStarting = false;

  constructor(context: QueueContext, owner: IntakeOwner, listener: IntakeListener) {
    this.#owner = owner;
    this.#listener = listener;
    this.#credit = new FlowControl(owner.concurrency, owner.lease, () => ({
      taken: owner.running.size + this.#contest.size + this.#line.length,
      confirming: owner.settler.unconfirmed,
    }));
    this.#stalls = new StallWatch(owner.lease);
    this.#contest = context.legacy.openContest({
      won: (entry, consumer, isLate) => {
        if (isLate && this.#credit.freeSlots <= (owner.consumer()?.asked ?? 0))
          void owner.consumer()?.handBack([entry]);
        else {
          // Others have decided on the entry, so it counts as the entry of a read of its own.
          this.#line.push({ entry, read: { consumer, sentAt: performance.now() }, nth: 0 });
          // The entries that are won in the same callback start with it.
          if (!this.#isStarting) process.nextTick(this.#startLine);
        }
      },
      putBack: (entries) => owner.consumer()?.handBack(entries) ?? Promise.resolve(),
      decided: () => owner.consumer()?.wakeReader(),
      failed: (error) => {
        listener.heldUp('events that legacy consumers may take', error as Error);
      },
    });
  }

  grantCredit(arriving: number): number {
    return this.#credit.forRead(arriving);
  }

  takeEntries(entries: StreamEntry[], asked: number, read: Read): void {
    this.#credit.adapt(entries.length, asked);
    const contested: StreamEntry[] = [];
    let nth = 0;
    for (const entry of entries) {
      if (this.#owner.legacy.isContested(entry)) contested.push(entry);
      else this.#line.push({ entry, read, nth });
      nth++;
    }
    if (contested.length > 0) this.#contest.decideEntries(contested, read.consumer);
    this.#startLine();
  }

  /** Puts back the entries that are not decided by now. */
  stopIntake(): Promise<void> {
    this.#stalls.stop();
    return this.#contest.stopDeciding();
  }

  readonly #startLine = (): void => {
    if (this.#isStarting) return;
    this.#isStarting = true;
    if (this.#line.length > 1) {
      this.#owner.settler.hold();
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
    this.#owner.settler.release();
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
    if (this.#stalls.hasStalledSince(first.read.sentAt)) {
      const rest = [first, ...this.#line.splice(0)];
      void this.#owner.consumer()?.handBack(rest.map(({ entry }) => entry));
    } else this.#start(first);
    return true;
  }

  #start({ entry, read, nth }: Fetched): void {
    const { outcomes, endings } = this.#owner;
    const [id] = entry;
    const failed = (error: unknown): void => {
      this.#listener.dropped(`entry ${id}`, 'malformed', error);
    };
    const due = nudgeOf(entry);
    if (due !== undefined) {
      this.#listener.expect(due);
      outcomes.discard(id).catch(failed);
      return;
    }
    let queued;
    try {
      queued = readEntry(entry);
    } catch (error) {
      failed(error);
      endings.bury(describeMalformed(entry), 'malformed', read.consumer, error).catch(failed);
      return;
    }
    // The entry is a legacy response.
    if (!queued) {
      outcomes.skip(entry).catch(failed);
      return;
    }
    this.#deliver(new Delivery(queued, read, endings, nth));
  }

  #deliver(delivery: Delivery): void {
    const { deduplication } = delivery.queued;
    this.#owner.running.addDelivery(delivery);
    if (!delivery.hasExpired) this.#handle(delivery);
    else if (delivery.replyTo === undefined) delivery.deadLetter('expired');
    // The first caller has gone. Others may be there.
    else if (deduplication !== undefined) delivery.expire();
    else delivery.drop();
  }

  /** Calls the handler. Nobody above could catch an error. */
  #handle(delivery: Delivery): void {
    try {
      this.#listener.handle(delivery);
    } catch (error) {
      delivery.deadLetter('failed', error);
    }
  }
}
