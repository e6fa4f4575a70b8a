import { AttemptSignal } from './attempt-signal.js';
import type { Read } from '../consumer/session.js';
import { CancelledError, EnqueueError } from '../model/errors.js';
import { LARGE_CHARACTERS } from '../redis/call-apart.js';
import { failureFrame } from '../model/reply-frame.js';
import type { QueuedEvent } from '../model/entry.js';
import { ACKNOWLEDGE, type Outcome } from './outcome.js';
import type { SettlementResult, Settlable, Settlement } from './settlement-batch.js';

/** Carries out what deliveries decide. The `Settler` does it in Redis, the memory broker in memory. */
export interface DeliverySettler {
  /**
   * Whether its clock stands still until a test moves it. Then the settler aborts a request at its deadline,
   * and no timer does.
   */
  readonly hasStillClock?: boolean;
  /** Milliseconds since 1970 on the clock of Redis. */
  now(): number;
  /**
   * Sends the replies of the delivery, and its end too when it has one of the usual outcomes. It takes them
   * with `takeReplies` when the callbacks of this tick are over, and calls `onSettled` when they are stored.
   */
  settleReplies(delivery: Delivery): void;
  /** Whether another worker tries a delivery again that is lost. */
  isTriedAgain(delivery: Delivery): boolean;
  /**
   * Carries out the outcome of the delivery.
   * @returns whether its worker still had the attempt
   */
  carryOut(delivery: Delivery, outcome: Outcome): Promise<SettlementResult>;
  /**
   * The delivery has ended or is lost. It is no longer in flight.
   * @param result whether its worker still had the attempt
   * @param error why its outcome could not be written
   */
  releaseDelivery(delivery: Delivery, result: SettlementResult, error?: unknown): void;
}

/** See `Delivery`. */
export type DeliveryState = 'running' | 'settling' | 'ended' | 'lost';

const NO_REPLIES: readonly string[] = [];

/**
 * One attempt at a message, in the hands of a worker. `reply` sends values to its caller, and `end` ends it.
 * It is in one of four states.
 *
 * - `running`: Its handler works. The first call of `end` decides the outcome, and the delivery is settling.
 *   When Redis refuses its replies for good, that is its end too: the caller gets the refusal as an error.
 * - `settling`: The outcome is decided, and later calls of `end` change nothing. The outcome goes out when
 *   the replies before it are stored. When Redis has it, or will never have it, the delivery has ended.
 * - `ended`: It is no longer in flight, and nothing follows. Its slot was free when the outcome was sent: see
 *   `FlowControl`.
 * - `lost`: Others have given up the attempt, because its worker seemed to be gone. A running or settling
 *   delivery learns it from the answer to its replies or its outcome, or from `lose`. The slot is free. The
 *   handler may still run, but its signal is aborted and no reply goes out: the caller would miss the part
 *   before it. The state stays. A handler that ends well then has its message taken out of the dead letters.
 *
 * Replies go out together with those of the same tick. While some are on their way, the next ones wait.
 * Replies therefore arrive in order, and the values of a handler do not outrun Redis.
 */
export class Delivery implements Settlable {
  /** The position among the running deliveries; -1 before it runs. */
  inFlightIndex = -1;
  #state: DeliveryState = 'running';
  /** It is set as soon as it is decided. A lost delivery can have one too. */
  #outcome: Outcome | undefined;
  #replies: string[] = [];
  #number = 0;
  /** Whether it waits for the settler to take its replies, or they are on the way to Redis. */
  #isSending = false;
  #lastIsOnItsWay = false;
  /** Why its values are useless; for a lost one only once it is released. */
  #abortReason: Error | undefined;
  #onAbort: ((reason: Error) => void) | undefined;
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
    private readonly settler: DeliverySettler,
    readonly positionInRead = 0,
  ) {}

  get id(): string {
    return this.queued.id;
  }

  get replyTo(): string | undefined {
    return this.queued.event.replyTo;
  }

  get state(): DeliveryState {
    return this.#state;
  }

  /** The outcome, once it is decided. It may not be in Redis yet. */
  get outcome(): Outcome | undefined {
    return this.#outcome;
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
    return this.deadline - this.settler.now();
  }

  /** The time after which a timer is to end it, because nobody waits any more, ms; `Infinity` for never. */
  get timerMs(): number {
    return this.settler.hasStillClock === true && this.timeLeft > 0 ? Infinity : this.timeLeft;
  }

  /**
   * Whether it is too late to start it: its deadline has passed, and it is a request, or an event that was
   * never started.
   */
  get hasExpired(): boolean {
    return (this.replyTo !== undefined || this.queued.attempt === 1) && this.timeLeft <= 0;
  }

  /**
   * The signal fires in these cases: the deadline passes, the caller cancels, the lease is lost, the worker
   * stops while this runs, or Redis refuses the replies.
   * @param hasDeadline whether somebody waits for an answer
   */
  signal(hasDeadline: boolean): AbortSignal {
    this.#signal ??= new AttemptSignal();
    // The deadline of an attempt that has ended means nothing.
    return this.#signal.get(hasDeadline && !this.#outcome ? this.timerMs : Infinity);
  }

  /** Whether its caller has cancelled it. */
  get isCancelled(): boolean {
    return this.#abortReason instanceof CancelledError;
  }

  /** Calls `stop` when the values of its handler have become useless; at once if that is so already. */
  whenAborted(stop: (reason: Error) => void): void {
    this.#onAbort = stop;
    if (this.#abortReason) stop(this.#abortReason);
  }

  cancel(): void {
    if (this.#outcome || this.isCancelled) return;
    this.abort(new CancelledError('its requester does not wait for the answer any more'));
  }

  /** Aborts the handler's work, which has become useless, if it still runs. */
  abort(reason: Error): void {
    if (this.#outcome) return;
    if (!this.isCancelled) this.#abortReason = reason;
    this.#abortSignal(reason);
    this.#onAbort?.(reason);
  }

  /**
   * Others have given up the attempt. Its values are stopped when another worker sends them anew, and when
   * they had begun, because the rest reaches nobody. Otherwise nobody else has the message: the handler goes
   * on, and its late success takes the message out of the dead letters.
   */
  lose(reason: Error): void {
    if (this.#outcome) return;
    this.#abortSignal(reason);
    // The answer to replies that are on their way says the same.
    if (!this.#onAbort || this.#isSending || this.#state === 'lost') return;
    if (this.hasAnswered || this.settler.isTriedAgain(this)) this.#release('lost');
  }

  /**
   * Sends one value to the caller.
   * @param body a JSON value
   */
  reply(body: string): void {
    if (this.#outcome || this.#state === 'lost') return;
    this.#replies.push(body);
    this.#settle();
  }

  /** Ends the attempt. Only the first call counts. */
  end(outcome: Outcome): void {
    if (this.#outcome) return;
    this.#decide(outcome);
    this.#settle();
  }

  takeReplies(limit: number): Settlement {
    const isEnding = this.#outcome !== undefined && this.#goesWithReplies(this.#outcome);
    if (this.replyTo === undefined || this.#outcome?.kind === 'drop') {
      // Nobody is notified.
      this.#replies.length = 0;
      this.#lastIsOnItsWay = isEnding;
      return { replies: NO_REPLIES, finished: isEnding };
    }
    const { event, attempt } = this.queued;
    const head = `["${event.requestId}",${String(attempt)},`;
    const frames: string[] = [];
    let taken = 0;
    for (let size = 0; taken < this.#replies.length && (taken === 0 || size < limit); taken++) {
      const body = this.#replies[taken] as string;
      // Redis may refuse a large body, and everything that goes with it.
      if (taken > 0 && body.length >= LARGE_CHARACTERS) break;
      const last = isEnding && taken === this.#replies.length - 1;
      frames.push(`${head}${String(this.#number++)},${last ? '1' : '0'},${body}]`);
      size += body.length;
    }
    // No value goes with the end: there were none, or all have gone out already.
    if (isEnding && this.#replies.length === 0) frames.push(`${head}${String(this.#number)},1,null]`);
    const finished = isEnding && taken === this.#replies.length;
    this.#replies = this.#replies.slice(taken);
    this.#lastIsOnItsWay = finished;
    return { replies: frames, finished };
  }

  refused(error: Error): Settlement | undefined {
    if (this.replyTo === undefined || this.#outcome?.kind === 'drop') return undefined;
    const { event, attempt } = this.queued;
    const what = `Redis refused the answer to '${event.action}': ${error.message}`;
    this.#refusal = new EnqueueError(what, { cause: error });
    this.abort(this.#refusal);
    this.#decide(ACKNOWLEDGE);
    this.#replies.length = 0;
    this.#lastIsOnItsWay = true;
    return { replies: [failureFrame(event.requestId, attempt, this.#refusal)], finished: true };
  }

  onSettled(result: SettlementResult, error: unknown = this.#refusal): void {
    this.#isSending = false;
    if (result === 'lost' || this.#lastIsOnItsWay || error !== undefined) this.#release(result, error);
    else if (this.#replies.length > 0 || this.#outcome) this.#settle();
  }

  #abortSignal(reason: Error): void {
    this.#signal ??= new AttemptSignal();
    this.#signal.abort(reason);
  }

  #decide(outcome: Outcome): void {
    this.#outcome = outcome;
    if (this.#state === 'running') this.#state = 'settling';
    this.#signal?.clear();
  }

  /** Sends what there is to send, unless replies are on their way: `onSettled` comes back here then. */
  #settle(): void {
    if (this.#isSending) return;
    const outcome = this.#outcome;
    if (!outcome || this.#goesWithReplies(outcome)) {
      this.#isSending = true;
      this.settler.settleReplies(this);
      return;
    }
    this.settler.carryOut(this, outcome).then(
      (result) => {
        this.#release(result);
      },
      (error: unknown) => {
        this.#release('kept', error);
      },
    );
  }

  /** Whether the outcome goes out with replies, in one call for many deliveries. */
  #goesWithReplies({ kind }: Outcome): boolean {
    return (kind === 'acknowledge' || kind === 'drop') && this.queued.isOurs && this.#state !== 'lost';
  }

  #release(result: SettlementResult, error?: unknown): void {
    if (this.#state !== 'lost') this.#state = result === 'lost' ? 'lost' : 'ended';
    this.settler.releaseDelivery(this, result, error);
  }
}
