import type { QueueDeadLetters } from '../dead-letters/queue-dead-letters.js';
import { InvalidOptionError } from '../model/errors.js';
import { pairsOf } from '../model/fields.js';
import { GROUP } from '../model/keys.js';
import { formatValue } from '../model/options.js';
import * as scripts from '../redis/scripts.generated.js';
import { callScript, readCommand, type AdminContext } from './admin-call.js';
import { STEP, type MessageStep, type QueueReader } from './message-page.js';
import { findOrdered, readOrdered } from './ordered-messages.js';
import {
  messageOfDelayed,
  messageOfEntry,
  messageOfLetter,
  type MessageState,
  type QueueMessage,
} from './queue-message.js';
import { isAcceptedId, previousId } from '../model/stream-id.js';

export const STATES: readonly MessageState[] = ['waiting', 'ordered', 'running', 'delayed', 'dead'];

/** The number of messages of a state among which a message that was tried again is looked for. */
const MAX_LOOKED_AT = 10_000;

const PLACE = /^(-?[\d.e+]+):(\d{1,20}-\d{1,20})$/;

/** Returns `value` when it is the id of an entry. */
export function parseId(name: string, value: unknown): string {
  if (typeof value === 'string' && isAcceptedId(value)) return value;
  throw new InvalidOptionError(
    `${name} must be the id of a message, such as 1700000000000-0, got ${formatValue(value)}`,
  );
}

/** Returns `value` when it is a state. */
export function parseState(value: unknown): MessageState {
  if ((STATES as readonly unknown[]).includes(value)) return value as MessageState;
  throw new InvalidOptionError(`state must be one of ${STATES.join(', ')}, got ${formatValue(value)}`);
}

/** Reads the messages of a queue, or of one partition. It changes nothing. */
export class MessageReader implements QueueReader {
  readonly #context: AdminContext;
  readonly #letters: QueueDeadLetters;

  constructor(context: AdminContext, letters: QueueDeadLetters) {
    this.#context = context;
    this.#letters = letters;
  }

  async readStep(
    state: MessageState,
    after: string | undefined,
    limit: number,
    order: 'oldest' | 'newest' = 'oldest',
  ): Promise<MessageStep> {
    switch (parseState(state)) {
      case 'waiting':
        return this.#readWaiting(after, limit, order);
      case 'ordered':
        return { ...(await readOrdered(this.#context, after, limit)), places: [] };
      case 'running':
        return this.#readRunning(after, limit);
      case 'delayed':
        return this.#readDelayed(after, limit);
      case 'dead': {
        const { rows, next } = await this.#letters.listPlaced({}, limit, after);
        const messages = rows.map(({ letter }) => messageOfLetter(letter));
        return { messages, places: rows.map(({ place }) => place), next };
      }
    }
  }

  async readMessage(id: string): Promise<QueueMessage | undefined> {
    const known = (await this.#readById(parseId('origin', id))) ?? (await this.#readOrderedById(id));
    if (known) return known;
    for (const state of ['running', 'waiting'] as const) {
      let next: string | undefined;
      for (let looked = 0; looked < MAX_LOOKED_AT; looked += STEP.messages) {
        const page = await this.readStep(state, next, STEP.messages, 'newest');
        const found = page.messages.find(({ origin }) => origin === id);
        if (found) return found;
        next = page.next;
        if (next === undefined) break;
      }
    }
    return undefined;
  }

  async #readById(id: string): Promise<QueueMessage | undefined> {
    const { eventStream, delayed, delayedBodies } = this.#context.keys;
    const [entry] = (await readCommand(this.#context, 'xrange', [eventStream, id, id])) as [
      [string, string[]]?,
    ];
    if (entry) {
      const running = await this.#readRunning(undefined, 1, id);
      const message = running.messages[0] ?? messageOfEntry(entry, 'waiting');
      if (message) return message;
    }
    const body = await readCommand(this.#context, 'hget', [delayedBodies, id]);
    const dueAt = await readCommand(this.#context, 'zscore', [delayed, id]);
    if (typeof body === 'string' && typeof dueAt === 'string')
      return messageOfDelayed(id, body, Number(dueAt));
    const letter = await this.#letters.get(id);
    return letter && messageOfLetter(letter);
  }

  async #readOrderedById(id: string): Promise<QueueMessage | undefined> {
    const [found] = await findOrdered(this.#context, [id]);
    return found && messageOfEntry([id, found.fields], 'ordered');
  }

  async #readWaiting(
    after: string | undefined,
    limit: number,
    order: 'oldest' | 'newest',
  ): Promise<MessageStep> {
    const seen = after === undefined ? '' : parseId('after', after);
    const args = { group: GROUP, seen, order, limit, budget: STEP.bytes };
    const answer = await callScript(this.#context, scripts.readWaiting(this.#context.keys, args));
    const [isEnd, ...rows] = answer as [number, ...unknown[]];
    const messages: QueueMessage[] = [];
    let next = after;
    for (const [id, fields] of pairsOf(rows) as [string, string[]][]) {
      const message = messageOfEntry([id, fields], 'waiting');
      if (message) messages.push(message);
      next = id;
    }
    return { messages, places: messages.map(({ id }) => id), next: isEnd === 1 ? undefined : next };
  }

  /** @param only the id of the one entry to read */
  async #readRunning(after: string | undefined, limit: number, only?: string): Promise<MessageStep> {
    const last = only === undefined ? after : previousId(only);
    const seen = last === undefined ? '' : parseId('after', last);
    const args = { group: GROUP, seen, limit, budget: STEP.bytes };
    const answer = await callScript(this.#context, scripts.readRunning(this.#context.keys, args));
    const [isEnd, now, ...rows] = answer as [number, number, ...unknown[]];
    const messages: QueueMessage[] = [];
    let next = after;
    for (let i = 0; i < rows.length; i += 4) {
      const [id, fields, consumer, idle] = rows.slice(i, i + 4) as [string, string[] | null, string, number];
      next = id;
      if (only !== undefined && id !== only) continue;
      const message = messageOfEntry([id, fields], 'running', { consumer, renewedAt: now - idle });
      if (message) messages.push(message);
    }
    return { messages, places: messages.map(({ id }) => id), next: isEnd === 1 ? undefined : next };
  }

  /** The message that is due first comes first, then by origin. */
  async #readDelayed(after: string | undefined, limit: number): Promise<MessageStep> {
    const { delayed, delayedBodies } = this.#context.keys;
    const [, from = '-inf', seen] = after === undefined ? [] : placeOf(after);
    const rows: [origin: string, due: string][] = [];
    for (let offset = 0; rows.length <= limit; offset += STEP.messages) {
      const args = [delayed, from, '+inf', 'WITHSCORES', 'LIMIT', offset, STEP.messages];
      const index = (await readCommand(this.#context, 'zrangebyscore', args)) as string[];
      for (const [origin, due] of pairsOf(index)) {
        if (seen === undefined || due !== from || origin > seen) rows.push([origin, due]);
      }
      if (index.length < 2 * STEP.messages) break;
    }
    const page = rows.slice(0, Math.max(await this.#countReadable(rows.slice(0, limit)), 1));
    if (page.length === 0) return { messages: [], places: [], next: undefined };
    const origins = page.map(([origin]) => origin);
    const bodies = (await readCommand(this.#context, 'hmget', [delayedBodies, ...origins])) as unknown[];
    const messages: QueueMessage[] = [];
    const places: string[] = [];
    for (const [index, [origin, due]] of page.entries()) {
      const body = bodies[index];
      if (typeof body !== 'string') continue;
      messages.push(messageOfDelayed(origin, body, Number(due)));
      places.push(`${due}:${origin}`);
    }
    const [origin, due] = page.at(-1) as [string, string];
    return { messages, places, next: page.length < rows.length ? `${due}:${origin}` : undefined };
  }

  /** The number of delayed messages that one call can read, counted from the first one. */
  async #countReadable(rows: readonly [origin: string, due: string][]): Promise<number> {
    const { delayedBodies } = this.#context.keys;
    const sizes = await Promise.all(
      rows.map(([origin]) => readCommand(this.#context, 'hstrlen', [delayedBodies, origin])),
    );
    let bytes = 0;
    const tooMuch = sizes.findIndex((size) => (bytes += size as number) > STEP.bytes);
    return tooMuch < 0 ? rows.length : tooMuch;
  }
}

function placeOf(after: unknown): RegExpExecArray {
  const place = typeof after === 'string' ? PLACE.exec(after) : null;
  if (place && Number.isFinite(Number(place[1])) && isAcceptedId(place[2] ?? '')) return place;
  throw new InvalidOptionError(`after must be \`next\` of a page, got ${formatValue(after)}`);
}
