import { createLetter, fieldsOfNewStart, letterWith, type DeadLetter } from '../dead-letters/dead-letter.js';
import { TimeoutExpiredError } from '../model/errors.js';
import { Delivery, type DeliverySettler } from '../settling/delivery.js';
import { DROP, reportOutcome, type Outcome } from '../settling/outcome.js';
import type { WorkerListener } from '../worker/worker-options.js';
import type { QueueState } from '../admin/queue-state.js';
import type { MessageOptions } from '../requests/requester-options.js';
import type { ReplyListener } from '../requests/waiting-request.js';
import type { ServiceEvent } from '../model/service-event.js';
import { encodeEvent } from '../model/codec.js';
import { fieldsOfNext, readEntry } from '../model/entry.js';
import { orderingKeyOf, withOrderingKey } from '../model/ordering-key.js';
import type { ReplyFrame } from '../model/reply-frame.js';
import { MemoryLanes, type MemoryMessage } from './memory-lanes.js';

interface Request {
  readonly event: ServiceEvent;
  readonly listener: ReplyListener;
  readonly deadline: number;
  readonly origin: string;
}

/** The broker reads nothing from Redis, so every delivery has this as its read. */
const READ = { consumer: 'test', sentAt: 0 };

/** A queue in memory. Its clock stands still until it is moved. Messages have the same form as in Redis. */
export class MemoryBroker {
  readonly deadLetters: DeadLetter[] = [];
  readonly running = new Set<Delivery>();
  now: number;
  messages: MemoryMessage[] = [];
  readonly #lanes = new MemoryLanes();
  readonly #requests = new Map<string, Request>();
  /** The first event with a deduplication key: its origin, and the time until which the key is known. */
  readonly #known = new Map<string, { origin: string; until: number }>();
  #worker: { readonly listener: WorkerListener; readonly concurrency: number } | undefined;
  #sequence = 0;

  readonly #settler: DeliverySettler = {
    now: () => this.now,
    settleReplies: (delivery) => {
      queueMicrotask(() => {
        const { replies } = delivery.takeReplies(Infinity);
        for (const reply of replies) this.#reply(JSON.parse(reply) as ReplyFrame);
        delivery.onSettled('kept');
      });
    },
    isTriedAgain: () => false,
    carryOut: (delivery, outcome) =>
      new Promise((resolve) => {
        this.#carryOut(delivery, outcome);
        resolve('kept');
      }),
    releaseDelivery: (delivery) => {
      this.running.delete(delivery);
      if (!this.#staysHead(delivery)) this.#lanes.end(delivery.queued);
      this.handOut();
    },
  };

  constructor(now: number) {
    this.now = now;
  }

  enqueue(
    event: ServiceEvent,
    { fields = [], delay = 0, deduplication, orderingKey }: MessageOptions = {},
    replyTo = '',
  ): string {
    const key = replyTo === '' ? deduplication?.key : undefined;
    const known = key === undefined ? undefined : this.#known.get(key);
    if (known && known.until > this.now) return known.origin;
    const origin = this.#nextId();
    if (deduplication && key !== undefined)
      this.#known.set(key, { origin, until: this.now + deduplication.window });
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
      running: this.running.size,
      delayed: this.messages.length - waiting.length,
      deadLetters: this.deadLetters.length,
      behindKeys: behind.size,
      blockedKeys: new Set([...behind].map(({ fields }) => orderingKeyOf(fields))).size,
      oldestWaiting: free.length === 0 ? 0 : this.now - Math.min(...free.map(({ due }) => due)),
      workers: this.#worker ? 1 : 0,
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
    const deadline = this.now + (options.delay ?? 0) + timeout;
    this.#requests.set(event.requestId, { event, listener, deadline, origin });
    listener.stored?.(origin);
    return () => {
      this.#cancelRequest(event.requestId);
    };
  }

  work(listener: WorkerListener | undefined, concurrency = Infinity): void {
    this.#worker = listener && { listener, concurrency };
    this.handOut();
  }

  /** Starts the messages that are due, the one that was due first before the others. */
  handOut(): void {
    for (;;) {
      const due = this.messages.filter((message) => message.due <= this.now).sort((a, b) => a.due - b.due);
      const behind = this.#lanes.behind(due);
      const message = due.find((each) => !behind.has(each));
      if (!message || !this.#worker || this.running.size >= this.#worker.concurrency) return;
      this.messages.splice(this.messages.indexOf(message), 1);
      this.#lanes.start(message);
      // The entry is a new one with each attempt, as in Redis.
      const queued = readEntry([this.#nextId(), message.fields]);
      if (queued) this.#start(new Delivery(queued, READ, this.#settler), this.#worker.listener);
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
    for (const [id, { event, deadline }] of this.#requests) {
      if (deadline > this.now) continue;
      const error = new TimeoutExpiredError(`no response to '${event.action}' in time`);
      for (const delivery of this.running) if (delivery.queued.event.requestId === id) delivery.abort(error);
      this.#fail(id, error);
    }
  }

  close(error: Error): void {
    for (const id of this.#requests.keys()) this.#fail(id, error);
  }

  #start(delivery: Delivery, listener: WorkerListener): void {
    this.running.add(delivery);
    if (!delivery.hasExpired) listener.handle(delivery);
    else if (delivery.replyTo === undefined) delivery.end({ kind: 'dead-letter', reason: 'expired' });
    else delivery.end(DROP);
  }

  /** Whether the message stays the first of its ordering key. */
  #staysHead({ outcome, queued }: Delivery): boolean {
    if (outcome?.kind !== 'dead-letter') return outcome?.kind === 'retry';
    return this.#worker?.listener.holdsKey(queued.event.action) ?? false;
  }

  #carryOut({ queued, read }: Delivery, outcome: Outcome): void {
    if (this.#worker) reportOutcome(this.#worker.listener, queued, outcome);
    switch (outcome.kind) {
      case 'retry': {
        const delayMs = Math.ceil(outcome.delayMs);
        const fields = fieldsOfNext(queued);
        this.messages.push({ due: this.now + delayMs, origin: queued.origin, fields });
        return;
      }
      case 'dead-letter': {
        const { reason, error, errorForCaller } = outcome;
        const letter = createLetter(queued, reason, error, read.consumer, this.now);
        this.deadLetters.push(letterWith(letter, queued.event));
        if (errorForCaller) this.#fail(queued.event.requestId, errorForCaller);
        return;
      }
      case 'acknowledge':
      case 'drop':
        // They go out with replies: see `Delivery`.
        throw new Error(`'${outcome.kind}' is carried out with replies`);
      case 'expire':
      case 'legacy-response':
      case 'requeue':
      case 'leave-to-legacy':
        // They are for legacy clients, deduplicated requests, and workers that go away.
        throw new Error(`there is no '${outcome.kind}' in memory`);
      default:
        // The compiler asks for a case when there is another outcome.
        return outcome satisfies never;
    }
  }

  #reply([requestId, , , last, body]: ReplyFrame): void {
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
