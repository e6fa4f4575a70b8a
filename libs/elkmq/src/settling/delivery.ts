import { AttemptSignal } from './attempt-signal.js';
import type { Read } from '../consumer/session.js';
import { CancelledError, EnqueueError } from '../model/errors.js';
import { LARGE_CHARACTERS } from '../redis/call-apart.js';
import { failureFrame } from '../model/reply-frame.js';
import type { Failure } from '../model/thrown.js';
import type { QueuedEvent } from '../model/entry.js';
import type { DeadLetterReason } from '../dead-letters/dead-letter.js';
import type { ServiceEvent } from '../model/service-event.js';
import type { SettlementResult, Settlable, Settlement } from './settlement-batch.js';

/** Carries out the outcomes of deliveries. */
export interface DeliveryEnds {
  /** Milliseconds since 1970 on the clock of Redis. */
  now(): number;
  settle(delivery: Delivery): void;
  answerOriginal(delivery: Delivery, response?: ServiceEvent): Promise<void>;
  deadLetter(delivery: Delivery, reason: DeadLetterReason, error?: unknown): Promise<void>;
  /** Ends a deduplicated request that has not been answered in time. */
  expire(delivery: Delivery): Promise<void>;
  /**
   * Tries the message again.
   * @param delay ms until the next attempt
   * @param failure the failure of this attempt; `undefined` when its handler has asked for another
   */
  retry(delivery: Delivery, delay: number, failure?: Failure): Promise<void>;
  /**
   * The attempt was given up by others while it was running.
   * @param isHandled whether it was handled all the same
   */
  lost(delivery: Delivery, isHandled: boolean): void;
  /** The attempt was handled, though others have given it up, or may have. Its dead letter is deleted. */
  handledAfterAll(delivery: Delivery): void;
  /**
   * The attempt has ended for good.
   * @param error why its outcome could not be written to Redis
   */
  ended(delivery: Delivery, error?: unknown): void;
}

const NO_REPLIES: readonly string[] = [];

/**
 * One attempt at a message, in the hands of a worker. It is running until `finish`, then settling until Redis
 * has its outcome.
 *
 * Replies go out together with those of the same tick. While some are on their way, the next ones wait.
 * Replies therefore arrive in order, and the values of a handler do not outrun Redis.
 */
export class Delivery implements Settlable {
  /** The position among the running deliveries; -1 before it runs. */
  inFlightIndex = -1;
  #replies: string[] = [];
  #number = 0;
  #finished = false;
  /** Whether it waits for the settler to take its replies, or is on the way to Redis. */
  #settling = false;
  #lastIsOnItsWay = false;
  #isDropped = false;
  #isExpiring = false;
  /** A part of the answer did not go out. Nothing may follow it, because the caller would miss that part. */
  #isLost = false;
  #isCancelled = false;
  /** The outcome, unless it is an answer. */
  ending: 'retried' | 'dead-lettered' | undefined;
  #onCancel: (() => void) | undefined;
  /** The error when Redis has refused the replies of the attempt. */
  #refusal: EnqueueError | undefined;
  /** The signal is made when it is asked for, or when there is something to report. */
  #signal: AttemptSignal | undefined;

  /**
   * @param read the read that has brought the entry
   * @param positionInRead the position in that read
   */
  constructor(
    readonly queued: QueuedEvent,
    readonly read: Read,
    private readonly ends: DeliveryEnds,
    readonly positionInRead = 0,
  ) {}

  get id(): string {
    return this.queued.id;
  }

  get replyTo(): string | undefined {
    return this.queued.event.replyTo;
  }

  /** Whether its handler has come to an end. The outcome may not be in Redis yet. */
  get isHandled(): boolean {
    return this.#finished;
  }

  /** Whether a part of the answer has gone out, or is about to. */
  get hasAnswered(): boolean {
    return this.#number > 0 || this.#replies.length > 0;
  }

  /** The time at which nobody waits for it any more: milliseconds since 1970 on the clock of Redis. */
  get deadline(): number {
    return this.queued.due + this.queued.event.timeout * 1_000;
  }

  /** The time for which its caller still waits, ms. */
  get timeLeft(): number {
    return this.deadline - this.ends.now();
  }

  /**
   * Whether it is too late to start it: its deadline has passed, and it is a request, or an event that was
   * never started.
   */
  get hasExpired(): boolean {
    return (this.replyTo !== undefined || this.queued.attempt === 1) && this.timeLeft <= 0;
  }

  /**
   * The signal fires in these cases: the deadline passes, the caller cancels, the lease is lost, or the
   * worker stops while this runs.
   * @param hasDeadline whether somebody waits for an answer
   */
  signal(hasDeadline: boolean): AbortSignal {
    this.#signal ??= new AttemptSignal();
    // The deadline of an attempt that has ended means nothing.
    return this.#signal.get(hasDeadline && !this.#finished ? this.timeLeft : Infinity);
  }

  /** Whether its caller has cancelled it. */
  get isCancelled(): boolean {
    return this.#isCancelled;
  }

  /** Calls `end` when its caller does not wait any more; at once if that is so already. */
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

  /** Aborts the handler's work, which has become useless, if it still runs. */
  abort(reason: Error): void {
    if (this.#finished) return;
    this.#signal ??= new AttemptSignal();
    this.#signal.abort(reason);
  }

  /**
   * Sends one value to the caller.
   * @param body a JSON value
   */
  reply(body: string): void {
    if (this.#finished || this.#isLost) return;
    this.#replies.push(body);
    this.#enlist();
  }

  /** Ends the attempt. The caller, if there is one, learns that no more values come. */
  finish(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#signal?.clear();
    if (this.#isLost) this.ends.lost(this, true);
    else this.#enlist();
  }

  /** Ends an attempt at a request that nobody waits for. Nobody is notified. */
  drop(): void {
    this.#isDropped = true;
    this.finish();
  }

  /** Ends an attempt at an event. Its client may be a legacy one. */
  end(): void {
    if (this.queued.isOurs) this.finish();
    else this.answerOriginal();
  }

  /** Ends an attempt at an event of a legacy client, with the response if one is due. */
  answerOriginal(response?: ServiceEvent): void {
    this.#endBy(() => this.ends.answerOriginal(this, response));
  }

  /** Ends the attempt by moving its message to the dead letters. */
  deadLetter(reason: DeadLetterReason, error?: unknown): void {
    if (!this.#finished) this.ending = 'dead-lettered';
    this.#endBy(() => this.ends.deadLetter(this, reason, error));
  }

  /**
   * Ends the attempt and tries the message again. The attempt must not have answered anything.
   * @param delay ms until then at the least
   * @param failure the failure of this attempt; `undefined` when its handler has asked for another
   */
  retry(delay: number, failure?: Failure): void {
    if (!this.#finished) this.ending = 'retried';
    this.#endBy(() => this.ends.retry(this, delay, failure));
  }

  /**
   * Ends the attempt at a deduplicated request that has expired, or that nobody waits for. Its key is free
   * again.
   */
  expire(): void {
    // The replies on their way come first.
    if (this.#settling) this.#isExpiring = true;
    else this.#endBy(() => this.ends.expire(this));
  }

  takeReplies(limit: number): Settlement {
    if (this.replyTo === undefined || this.#isDropped) {
      // Nobody is notified.
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
      // Redis may refuse a large body, and everything that goes with it.
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
    // This ends the source of its values, if more of them would come.
    this.#onCancel?.();
    return { replies: [failureFrame(event.requestId, attempt, this.#refusal)], finished: true };
  }

  onSettled(fate: SettlementResult, error: unknown = this.#refusal): void {
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
