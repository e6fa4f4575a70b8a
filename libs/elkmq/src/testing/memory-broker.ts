import type { QueueState } from '../admin/queue-state.js';
import {
  createLetter,
  fieldsOfNewStart,
  letterWith,
  type DeadLetter,
  type DeadLetterCap,
} from '../dead-letters/dead-letter.js';
import { encodeEvent } from '../model/codec.js';
import { fieldsOfNext, readEntry, type QueuedEvent } from '../model/entry.js';
import { TimeoutExpiredError } from '../model/errors.js';
import { orderingKeyOf, withOrderingKey } from '../model/ordering-key.js';
import type { ReplyFrame } from '../model/reply-frame.js';
import type { ServiceEvent } from '../model/service-event.js';
import type { MessageOptions } from '../requests/requester-options.js';
import type { ReplyListener } from '../requests/waiting-request.js';
import type { Delivery } from '../settling/delivery.js';
import type { BecomeDeadLetter } from '../settling/outcome.js';
import { MemoryDeduplication } from './memory-deduplication.js';
import { MemoryLanes, type MemoryMessage } from './memory-lanes.js';

interface Request {
  readonly event: ServiceEvent;
  readonly listener: ReplyListener;
  /** The time that the reply can take, with the delay, ms. */
  readonly withinMs: number;
  readonly deadline: number;
  readonly origin: string;
}

/** What gets the messages of a broker: see `MemoryWorker`. */
export interface MessageTaker {
  readonly isBusy: boolean;
  readonly inFlight: Iterable<Delivery>;
  take(queued: QueuedEvent): void;
}

/** A queue in memory. Its clock stands still until it is moved. Messages have the same form as in Redis. */
export class MemoryBroker {
  readonly deadLetters: DeadLetter[] = [];
  now: number;
  messages: MemoryMessage[] = [];
  readonly #lanes = new MemoryLanes();
  readonly #requests = new Map<string, Request>();
  /** The origins of the first events with a deduplication key. */
  readonly #origins = new MemoryDeduplication<string>();
  /** The one that gets messages. */
  #taker: MessageTaker | undefined;
  /** All that have messages. Those that have stopped may still have some. */
  readonly #takers = new Set<MessageTaker>();
  #sequence = 0;

  constructor(now: number) {
    this.now = now;
  }

  /** The messages that are being handled. */
  get running(): readonly Delivery[] {
    return [...this.#takers].flatMap(({ inFlight }) => [...inFlight]);
  }

  enqueue(
    event: ServiceEvent,
    { fields = [], delay = 0, deduplication, orderingKey }: MessageOptions = {},
    replyTo = '',
  ): string {
    const once = replyTo === '' ? deduplication : undefined;
    const first = once && this.#origins.find(once.key, this.now);
    if (first !== undefined) return first;
    const origin = this.#nextId();
    if (once) this.#origins.remember(once, origin, this.now);
    const due = this.now + delay;
    const message = ['event', encodeEvent(event), 'reply_to', replyTo, 'origin', origin];
    message.push(...withOrderingKey(orderingKey, fields));
    if (delay > 0) message.push('due', String(Math.floor(due)));
    this.messages.push({ due, origin, fields: message });
    queueMicrotask(() => {
      this.handOut();
    });
    return origin;
  }

  /**
   * Removes a dead letter. The ordering key that it holds is free, unless its message starts anew.
   * @returns whether there was such a letter
   */
  removeDeadLetter(origin: string, startsAnew: boolean): boolean {
    const index = this.deadLetters.findIndex((letter) => letter.origin === origin);
    const [letter] = index < 0 ? [] : this.deadLetters.splice(index, 1);
    if (!letter) return false;
    if (startsAnew && letter.event) {
      const fields = ['event', encodeEvent(letter.event), 'reply_to', '', ...fieldsOfNewStart(letter)];
      const message = { due: this.now, origin: this.#nextId(), fields };
      this.messages.push({ ...message, fields: [...fields, 'origin', message.origin] });
      this.#lanes.replace(message, origin);
    } else this.#lanes.end(letter);
    queueMicrotask(() => {
      this.handOut();
    });
    return true;
  }

  state(): QueueState {
    const waiting = this.messages.filter(({ due }) => due <= this.now);
    const behind = this.#lanes.behind(waiting);
    const free = waiting.filter((message) => !behind.has(message));
    return {
      waiting: waiting.length,
      running: this.running.length,
      delayed: this.messages.length - waiting.length,
      deadLetters: this.deadLetters.length,
      behindKeys: behind.size,
      blockedKeys: new Set([...behind].map(({ fields }) => orderingKeyOf(fields))).size,
      oldestWaiting: free.length === 0 ? 0 : this.now - Math.min(...free.map(({ due }) => due)),
      workers: this.#taker ? 1 : 0,
    };
  }

  /** @returns a function that cancels the request */
  request(
    event: ServiceEvent,
    timeout: number,
    listener: ReplyListener,
    options: MessageOptions = {},
  ): () => void {
    const origin = this.enqueue(event, options, 'test');
    const withinMs = (options.delay ?? 0) + timeout;
    const deadline = this.now + withinMs;
    this.#requests.set(event.requestId, { event, listener, withinMs, deadline, origin });
    listener.stored?.(origin);
    return () => {
      this.#cancelRequest(event.requestId);
    };
  }

  /** Has the messages handed out to `taker`. */
  addTaker(taker: MessageTaker): void {
    this.#taker = taker;
    this.#takers.add(taker);
    this.handOut();
  }

  /** `taker` gets no more messages. Those that it has are still in flight. */
  removeTaker(taker: MessageTaker): void {
    if (this.#taker === taker) this.#taker = undefined;
  }

  /** `taker` has no messages any more. */
  forgetTaker(taker: MessageTaker): void {
    this.#takers.delete(taker);
  }

  /** Starts the messages that are due, the one that was due first before the others. */
  handOut(): void {
    for (;;) {
      const due = this.messages.filter((message) => message.due <= this.now).sort((a, b) => a.due - b.due);
      const behind = this.#lanes.behind(due);
      const message = due.find((each) => !behind.has(each));
      if (!message || !this.#taker || this.#taker.isBusy) return;
      this.messages.splice(this.messages.indexOf(message), 1);
      this.#lanes.start(message);
      // The entry is a new one with each attempt, as in Redis.
      const queued = readEntry([this.#nextId(), message.fields]);
      if (queued) this.#taker.take(queued);
    }
  }

  /** Returns the next time, up to `limit`, at which a message is due or a request times out. */
  nextDue(limit: number): number | undefined {
    const dues = [...this.messages, ...this.#requests.values()].map((each) =>
      'due' in each ? each.due : each.deadline,
    );
    const ahead = dues.filter((due) => due > this.now && due <= limit);
    return ahead.length === 0 ? undefined : Math.min(...ahead);
  }

  /** Ends the requests whose deadline has passed. */
  expireRequests(): void {
    for (const [id, { event, withinMs, deadline }] of this.#requests) {
      if (deadline > this.now) continue;
      const error = new TimeoutExpiredError(`no response to '${event.action}' within ${String(withinMs)} ms`);
      for (const delivery of this.running) if (delivery.queued.event.requestId === id) delivery.abort(error);
      this.#fail(id, error);
    }
  }

  close(error: Error): void {
    for (const id of this.#requests.keys()) this.#fail(id, error);
  }

  /** Stores the next attempt at a message. */
  storeAgain(queued: QueuedEvent, error: string | undefined, delayMs: number): void {
    const { origin } = queued;
    this.messages.push({ due: this.now + delayMs, origin, fields: fieldsOfNext(queued, error) });
  }

  /** Moves a message to the dead letters. The oldest ones make room for it. */
  bury(
    queued: QueuedEvent,
    outcome: BecomeDeadLetter,
    consumer: string,
    { max, maxAge }: DeadLetterCap,
  ): void {
    const { reason, error, errorForCaller } = outcome;
    const letter = createLetter(queued, reason, error, consumer, this.now);
    this.deadLetters.push(letterWith(letter, queued.event));
    const surplus = this.deadLetters.length - max;
    const old = this.deadLetters.filter(({ lastAt }) => lastAt <= this.now - maxAge).length;
    const removed = this.deadLetters.splice(0, Math.max(surplus, old, 0));
    for (const each of removed) this.#lanes.end(each);
    if (errorForCaller) this.#fail(queued.event.requestId, errorForCaller);
  }

  /**
   * A message is no longer in flight.
   * @param staysHead whether it stays the first of its ordering key
   */
  release(queued: QueuedEvent, staysHead: boolean): void {
    if (!staysHead) this.#lanes.end(queued);
    this.handOut();
  }

  /** Gives a reply to the caller that waits for it. */
  reply([requestId, , , last, body]: ReplyFrame): void {
    const request = this.#requests.get(requestId);
    if (last === 1) this.#requests.delete(requestId);
    request?.listener.reply(body, last === 1, this.#nextId());
  }

  #nextId(): string {
    return `${String(Math.floor(this.now))}-${String(++this.#sequence)}`;
  }

  #fail(requestId: string, error: Error): void {
    const request = this.#requests.get(requestId);
    this.#cancelRequest(requestId);
    request?.listener.failed(error);
  }

  #cancelRequest(requestId: string): void {
    const request = this.#requests.get(requestId);
    if (!request) return;
    this.#requests.delete(requestId);
    for (const message of this.messages) if (message.origin === request.origin) this.#lanes.end(message);
    this.messages = this.messages.filter(({ origin }) => origin !== request.origin);
    for (const delivery of this.running) if (delivery.queued.event.requestId === requestId) delivery.cancel();
  }
}
