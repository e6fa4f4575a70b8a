import type { AttemptError, DescribedError, MessageState, QueueMessage } from 'elkmq';

/** A message as the console sends it to the page. */
export interface ConsoleMessage {
  readonly state: MessageState;
  /** The id by which it can be removed or run now. */
  readonly id: string;
  /** The id of its first entry, which stays the same. */
  readonly origin: string;
  /** The pattern; `null` when the entry cannot be read as an event. */
  readonly pattern: string | null;
  /** The payload as it is in Redis, mostly JSON; of an entry that cannot be read its fields, as JSON. */
  readonly payload: string | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly attempt: number;
  /** The time at which Redis registered it, ms since 1970; so are the other times. */
  readonly storedAt: number;
  readonly deadline: number | undefined;
  readonly isRequest: boolean;
  readonly consumer: string | undefined;
  readonly renewedAt: number | undefined;
  readonly dueAt: number | undefined;
  readonly orderingKey: string | undefined;
  /** The trace id of its header `traceparent`. */
  readonly traceId: string | undefined;
  /** The reason and the time of a dead letter, and the error that its handler threw. */
  readonly reason: string | undefined;
  readonly diedAt: number | undefined;
  readonly error: DescribedError | undefined;
  /** The errors of the attempts before, the earliest first. A list has none of them. */
  readonly errors: readonly AttemptError[];
}

/** A message in a list: with the beginning of its payload, and without a stack. */
export type ShortMessage = ConsoleMessage & { readonly payloadLength: number };

/** The number of characters of a payload in a list. */
const SHORT_CHARACTERS = 200;

/** Makes the message for the page. */
export function consoleMessageOf(message: QueueMessage): ConsoleMessage {
  const { state, id, origin, event, headers, attempt, storedAt, deadline, isRequest } = message;
  const { consumer, renewedAt, dueAt, orderingKey, letter, fields } = message;
  return {
    ...{ state, id, origin, headers, attempt, storedAt, deadline, isRequest, consumer, renewedAt, dueAt },
    pattern: event?.action ?? null,
    payload: event ? event.payload : JSON.stringify(fields),
    orderingKey,
    traceId: /^[0-9a-f]{2}-([0-9a-f]{32})-/.exec(headers['traceparent'] ?? '')?.[1],
    reason: letter?.reason,
    diedAt: letter?.lastAt,
    error: letter?.error,
    errors: message.errors,
  };
}

/** Makes the message for a list. */
export function shortMessageOf(message: ConsoleMessage): ShortMessage {
  const { payload, error } = message;
  return {
    ...message,
    payload: payload === null ? null : cut(payload),
    payloadLength: payload?.length ?? 0,
    error: error && { name: cut(error.name), message: cut(error.message) },
    errors: [],
  };
}

function cut(text: string): string {
  // No half of a surrogate pair stays at the end.
  return text.length > SHORT_CHARACTERS ? `${text.slice(0, SHORT_CHARACTERS).toWellFormed()}…` : text;
}
