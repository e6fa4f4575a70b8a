import { DEAD_LETTER_REASONS, type DeadLetterReason } from '../dead-letters/dead-letter.js';
import { InvalidOptionError } from '../model/errors.js';
import { headersOf } from '../model/headers.js';
import { checkGivenOptions, formatValue, parseInteger, parseMembers } from '../model/options.js';
import { globOf } from './glob.js';
import { STEP, type QueueReader } from './message-page.js';
import { parseState } from './message-reader.js';
import type { MessageState, QueueMessage } from './queue-message.js';
import type { QueueState } from './queue-state.js';

/** Chooses messages: a message must have every given value. `{}` chooses all. */
export interface MessageFilter {
  /** The pattern (the action of the event). `*` stands for any characters: `order.*`. */
  readonly pattern?: string | undefined;
  /**
   * Text in the payload, as it is in Redis: JSON. A message that is no event is searched in all its fields.
   */
  readonly text?: string | undefined;
  /** Headers with their values. */
  readonly header?: Readonly<Record<string, string>> | undefined;
  /** The ordering key. */
  readonly key?: string | undefined;
  /** The reason of a dead letter. Only dead messages have one. */
  readonly reason?: DeadLetterReason | undefined;
  /** The earliest time at which Redis registered the message, ms since 1970. */
  readonly since?: number | undefined;
  /** The latest such time, ms since 1970. */
  readonly until?: number | undefined;
}

/** The range of a search. */
export interface SearchOptions {
  /** The states that are searched, in this order. Default: running, waiting, ordered, delayed, dead. */
  readonly states?: readonly MessageState[] | undefined;
  /**
   * The largest number of messages that are read. The newest of the waiting and dead ones come first. Default
   * 100,000.
   */
  readonly newest?: number | undefined;
}

/** The result of one step of a search. */
export interface SearchStep {
  /** The messages that this step has found. */
  readonly found: QueueMessage[];
  /** The number of messages that were read so far. */
  readonly searched: number;
  /** The number of messages that were there to be read at the beginning; `newest` at most. */
  readonly total: number;
}

const KNOWN = ['pattern', 'text', 'header', 'key', 'reason', 'since', 'until'];
const ORDER: readonly MessageState[] = ['running', 'waiting', 'ordered', 'delayed', 'dead'];

/** Searches step by step. Each step is short for Redis, and says how far the search is. */
export async function* searchMessages(
  reader: QueueReader,
  state: () => Promise<QueueState>,
  filter: MessageFilter,
  options: SearchOptions,
): AsyncGenerator<SearchStep, void, undefined> {
  const matches = matcherOf(filter);
  checkGivenOptions('search', options, ['states', 'newest']);
  const { states = ORDER, newest } = options;
  const most = parseInteger('newest', newest, 100_000, 1);
  const chosen = parseStates(states);
  const sizes = await state();
  const size = {
    waiting: sizes.waiting - sizes.behindKeys,
    ordered: sizes.behindKeys,
    running: sizes.running,
    delayed: sizes.delayed,
    dead: sizes.deadLetters,
  };
  const total = Math.min(
    most,
    chosen.reduce((sum, name) => sum + size[name], 0),
  );
  let searched = 0;
  for (const name of chosen) {
    let next: string | undefined;
    while (searched < most) {
      const page = await reader.readStep(name, next, Math.min(STEP.messages, most - searched), 'newest');
      searched += page.messages.length;
      yield { found: page.messages.filter(matches), searched, total: Math.max(total, searched) };
      next = page.next;
      if (next === undefined) break;
    }
  }
}

function parseStates(states: unknown): MessageState[] {
  if (Array.isArray(states)) return states.map(parseState);
  throw new InvalidOptionError(
    `states must be an array of states (${ORDER.join(', ')}), got ${formatValue(states)}`,
  );
}

/** Makes a function that says whether a message is chosen. */
function matcherOf(filter: unknown): (message: QueueMessage) => boolean {
  const members = parseMembers('the filter of messages', filter, KNOWN);
  const { pattern, text, header, key, reason, since, until } = members as MessageFilter;
  if (reason !== undefined && !DEAD_LETTER_REASONS.includes(reason))
    throw new InvalidOptionError(
      `reason must be one of ${DEAD_LETTER_REASONS.join(', ')}, got ${formatValue(reason)}`,
    );
  for (const [name, time] of Object.entries({ since, until })) {
    if (time !== undefined && !Number.isFinite(time))
      throw new InvalidOptionError(`${name} must be a time in ms since 1970, got ${formatValue(time)}`);
  }
  for (const [name, value] of Object.entries({ pattern, text, key } as Record<string, unknown>)) {
    if (value !== undefined && typeof value !== 'string')
      throw new InvalidOptionError(`${name} must be a string, got ${formatValue(value)}`);
  }
  const isChosen = pattern === undefined ? undefined : globOf(pattern);
  const headers = header === undefined ? [] : Object.entries(headersOf(header, 'header'));
  return (message) =>
    (isChosen === undefined || (message.event !== undefined && isChosen(message.event.action))) &&
    (text === undefined || textsOf(message).some((part) => part.includes(text))) &&
    headers.every(
      ([name, value]) => Object.hasOwn(message.headers, name) && message.headers[name] === value,
    ) &&
    (key === undefined || message.orderingKey === key) &&
    (reason === undefined || message.letter?.reason === reason) &&
    (since === undefined || message.storedAt >= since) &&
    (until === undefined || message.storedAt <= until);
}

function textsOf({ event, fields }: QueueMessage): readonly string[] {
  return event ? [event.payload ?? ''] : fields;
}
