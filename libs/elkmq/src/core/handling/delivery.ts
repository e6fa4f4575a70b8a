import { AttemptSignal } from './attempt-signal.js';
import type { Read } from './consumer-session.js';
import { CancelledError, EnqueueError } from '../errors.js';
import { LARGE_CHARACTERS } from '../redis/call-apart.js';
import { failureFrame } from '../wire/reply-frame.js';
import type { Failure } from '../thrown.js';
import type { QueuedEvent } from '../wire/entry.js';
import type { DeadLetterReason } from '../dead-letters/dead-letters.js';
import type { ServiceEvent } from '../service-event.js';
import type { Fate, Settlable, Settlement } from './settlement-batch.js';

/** How a worker ends deliveries. */
export interface DeliveryEnds {
  /** Milliseconds since 1970 on the clock of Redis. */
  now(): number;
  settle(delivery: Delivery): void;
  answerOriginal(delivery: Delivery, response?: ServiceEvent): Promise<void>;
  deadLetter(delivery: Delivery, reason: DeadLetterReason, error?: unknown): Promise<void>;
  /** A deduplicated request has not been answered in time. */
  expire(delivery: Delivery): Promise<void>;
  /**
   * @param delay ms until the next attempt
   * @param failure what this one has failed with; `undefined` when its handler has asked for another
   */
  retry(delivery: Delivery, delay: number, failure?: Failure): Promise<void>;
  /** The attempt was given up by others while it was running. @param isHandled it was handled all the same */
  lost(delivery: Delivery, isHandled: boolean): void;
  /** The attempt was handled, though others have given it up, or may have: its dead letter goes. */
  handledAfterAll(delivery: Delivery): void;
  /** The attempt has ended for good. @param error why its end could not be written to Redis */
  ended(delivery: Delivery, error?: unknown): void;
}

const NO_REPLIES: readonly string[] = [];

/**
 * One attempt at an event, in the hands of a worker: running until `finish`, then settling until Redis has it.
 *
 * Replies go out together with those of the same tick; while some are on their way the next ones wait, so that they
 * arrive in order and a handler's values do not outrun Redis.
 */
export class Delivery implements Settlable {
  /** Among those that are running; before that nowhere. */
  place = -1;
  #replies: string[] = [];
  #number = 0;
  #finished = false;
  /** Waiting to be asked by the settler, or on the way to Redis. */
  #settling = false;
  #lastIsOnItsWay = false;
  #isDropped = false;
  #isExpiring = false;
  /** A part of the answer did not go out, so nothing after it may: the requester would miss that part. */
  #isLost = false;
  #isCancelled = false;
  /** How it ended, unless with an answer. */
  ending: 'retried' | 'dead-lettered' | undefined;
  #onCancel: (() => void) | undefined;
  /** Redis has refused what the attempt said. */
  #refusal: EnqueueError | undefined;
  /** Made for those who ask for it, or when there is something to tell. */
  #signal: AttemptSignal | undefined;

  /**
   * @param read which has brought the entry
   * @param nth its place there
   */
  constructor(
    readonly queued: QueuedEvent,
    readonly read: Read,
    private readonly ends: DeliveryEnds,
    readonly nth = 0,
  ) {}

  get id(): string {
    return this.queued.id;
  }

  get replyTo(): string | undefined {
    return this.queued.event.replyTo;
  }

  /** Its handler has come to an end, which may not be in Redis yet. */
  get isHandled(): boolean {
    return this.#finished;
  }

  /** A part of the answer has gone out, or is about to. */
  get hasAnswered(): boolean {
    return this.#number > 0 || this.#replies.length > 0;
  }

  /** When nobody waits for it any more: milliseconds since 1970 on the clock of Redis. */
  get deadline(): number {
    return this.queued.due + this.queued.event.timeout * 1_000;
  }

  /** How long its requester still waits, ms. */
  get timeLeft(): number {
    return this.deadline - this.ends.now();
  }

  /** It is too late to start it: a request at its deadline, and an event that was never started. */
  get hasExpired(): boolean {
    return (this.replyTo !== undefined || this.queued.attempt === 1) && this.timeLeft <= 0;
  }

  /**
   * Fires when nobody waits for the answer any more, by its deadline or because its requester said so, when the lease
   * was lost, or when the worker stops while this runs.
   * @param hasDeadline somebody waits for an answer
   */
  signal(hasDeadline: boolean): AbortSignal {
    this.#signal ??= new AttemptSignal();
    // The deadline of an attempt that has ended means nothing.
    return this.#signal.get(hasDeadline && !this.#finished ? this.timeLeft : Infinity);
  }

  /** Its requester has told that it does not wait any more. */
  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Calls `end` when its requester does not wait any more; at once if it does not. */
  whenCancelled(end: () => void): void {
    if (this.#isCancelled) end();
    else this.#onCancel = end;
  }

  cancel(): void {
    if (this.#finished || this.#isCancelled) return;
    this.#isCancelled = true;
    this.abort(new CancelledError('its requester does not wait for the answer any more'));
    this.#onCancel?.();
  }

  /** The handler's work has become useless, if it still runs. */
  abort(reason: Error): void {
    if (this.#finished) return;
    this.#signal ??= new AttemptSignal();
    this.#signal.abort(reason);
  }

  /** Sends one value to the requester. @param body a JSON value */
  reply(body: string): void {
    if (this.#finished || this.#isLost) return;
    this.#replies.push(body);
    this.#enlist();
  }

  /** Ends the attempt; the requester, if there is one, is told that no more values come. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#signal?.clear();
    if (this.#isLost) this.ends.lost(this, true);
    else this.#enlist();
  }

  /** Ends an attempt at a request that nobody waits for: nobody is told anything. */
  drop(): void {
    this.#isDropped = true;
    this.finish();
  }

  /** Ends an attempt at an event, whoever sent it. */
  end(): void {
    if (this.queued.isOurs) this.finish();
    else this.answerOriginal();
  }

  /** Ends an attempt at an event of an original client, with the response if one is due. */
  answerOriginal(response?: ServiceEvent): void {
    this.#endBy(() => this.ends.answerOriginal(this, response));
  }

  /** Ends the attempt by moving its message to the dead letters. */
  deadLetter(reason: DeadLetterReason, error?: unknown): void {
    if (!this.#finished) this.ending = 'dead-lettered';
    this.#endBy(() => this.ends.deadLetter(this, reason, error));
  }

  /**
   * Ends the attempt; the message comes again. For attempts that have not answered anything.
   * @param delay ms until then at the least
   * @param failure what this one has failed with; `undefined` when its handler has asked for another
   */
  retry(delay: number, failure?: Failure): void {
    if (!this.#finished) this.ending = 'retried';
    this.#endBy(() => this.ends.retry(this, delay, failure));
  }

  /** Ends the attempt at a deduplicated request that has expired, or that nobody waits for: its key is free again. */
  expire(): void {
    // What is on its way comes first.
    if (this.#settling) this.#isExpiring = true;
    else this.#endBy(() => this.ends.expire(this));
  }

  take(limit: number): Settlement {
    if (this.replyTo === undefined || this.#isDropped) {
      // Nobody is told anything.
      this.#replies.length = 0;
      this.#lastIsOnItsWay = this.#finished;
      return { replies: NO_REPLIES, finished: this.#finished };
    }
    const { event, attempt } = this.queued;
    const head = `["${event.requestId}",${String(attempt)},`;
    const frames: string[] = [];
    let taken = 0;
    for (let size = 0; taken < this.#replies.length && (taken === 0 || size < limit); taken++) {
      const body = this.#replies[taken] as string;
      // Redis may refuse it, and what would go with it.
      if (taken > 0 && body.length >= LARGE_CHARACTERS) break;
      const last = this.#finished && taken === this.#replies.length - 1;
      frames.push(`${head}${String(this.#number++)},${last ? '1' : '0'},${body}]`);
      size += body.length;
    }
    // No value goes with the end: there were none, or all have gone out already.
    if (this.#finished && this.#replies.length === 0) frames.push(`${head}${String(this.#number)},1,null]`);
    const finished = this.#finished && taken === this.#replies.length;
    this.#replies = this.#replies.slice(taken);
    this.#lastIsOnItsWay = finished;
    return { replies: frames, finished };
  }

  refused(error: Error): Settlement | undefined {
    if (this.replyTo === undefined || this.#isDropped) return undefined;
    const { event, attempt } = this.queued;
    const what = `Redis refused the answer to '${event.action}': ${error.message}`;
    this.#refusal = new EnqueueError(what, { cause: error });
    this.abort(this.#refusal);
    this.#finished = true;
    this.#signal?.clear();
    this.#replies.length = 0;
    this.#lastIsOnItsWay = true;
    // Its values, if more of them would come.
    this.#onCancel?.();
    return { replies: [failureFrame(event.requestId, attempt, this.#refusal)], finished: true };
  }

  settled(fate: Fate, error: unknown = this.#refusal): void {
    this.#settling = false;
    this.#isLost = fate === 'lost';
    if (this.#isLost) this.ends.lost(this, this.#finished);
    else if (fate === 'in doubt') this.ends.handledAfterAll(this);
    if (this.#isLost || this.#lastIsOnItsWay || error !== undefined) this.ends.ended(this, error);
    else if (this.#isExpiring) this.expire();
    else if (this.#replies.length > 0 || this.#finished) this.#enlist();
  }

  #endBy(call: () => Promise<void>): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#signal?.clear();
    call().then(
      () => {
        this.ends.ended(this);
      },
      (error: unknown) => {
        this.ends.ended(this, error);
      },
    );
  }

  #enlist(): void {
    if (this.#settling) return;
    this.#settling = true;
    this.ends.settle(this);
  }
}
