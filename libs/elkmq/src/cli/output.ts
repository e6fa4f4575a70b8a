import type { QueueMessage } from '../admin/queue-message.js';
import { formatTime } from './values.js';

/** The number of characters of a payload in a table. */
const SHORT_CHARACTERS = 60;

/** Writes a line to standard output. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a line that is not the result: progress, and what is to be done. */
export function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Writes a value as one line of JSON. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Writes rows below their headings. The first row has the headings. Numbers are aligned to the right. */
export function printTable(rows: readonly (readonly (string | number)[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => String(row[column] ?? '').length)),
  );
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      typeof cell === 'number'
        ? String(cell).padStart(widths[column] ?? 0)
        : cell.padEnd(widths[column] ?? 0),
    );
    print(cells.join('  ').trimEnd());
  }
}

/**
 * Makes text harmless for a terminal: control characters, and those that are not seen or turn the
 * direction, are shown as escapes.
 */
export function safeText(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\u2028\u2029]/gu,
    (character) => `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  );
}

/** The beginning of a text, on one line. */
export function shortText(text: string, characters = SHORT_CHARACTERS): string {
  const cut = text.length > characters ? `${text.slice(0, characters)}…` : text;
  return safeText(cut);
}

/** The payload of a message as it is in Redis, or its fields when it is no event. */
function rawPayload({ event, fields }: QueueMessage): string {
  return event ? (event.payload ?? '') : JSON.stringify(fields);
}

/**
 * The JSON of a message, on one line. A payload that is JSON stays as it is in Redis, so that no number is
 * rounded.
 */
export function jsonOfMessage(message: QueueMessage): string {
  const { event, letter, payload, ...rest } = message;
  const head = JSON.stringify({
    ...rest,
    fields: event ? undefined : rest.fields,
    pattern: event?.action ?? null,
    timeout: event?.timeout,
    reason: letter?.reason,
    error: letter?.error,
    diedAt: letter?.lastAt,
  });
  const raw = event?.payload ?? null;
  // A text that is no JSON is its own value.
  const isJson = raw !== null && payload !== raw;
  const json = isJson ? raw.replace(/[\r\n]+/g, ' ') : JSON.stringify(raw);
  return `${head.slice(0, -1)},"payload":${json}}`;
}

/** Writes messages as a table. */
export function printMessages(messages: readonly QueueMessage[]): void {
  printTable([
    ['STATE', 'ID', 'STORED', 'PATTERN', 'ATTEMPT', 'PAYLOAD'],
    ...messages.map((message) => [
      message.letter ? message.letter.reason : message.state,
      message.id,
      formatTime(message.storedAt),
      shortText(message.event?.action ?? '(no event)'),
      message.attempt,
      shortText(rawPayload(message)),
    ]),
  ]);
}

/** Writes all about one message. */
export function printMessage(message: QueueMessage): void {
  const { letter, event } = message;
  const lines: [string, string | undefined][] = [
    ['state', message.state],
    ['id', message.id],
    ['origin', message.origin],
    ['pattern', event && safeText(event.action)],
    ['kind', message.isRequest ? 'request' : 'event'],
    ['attempt', String(message.attempt)],
    ['stored', formatTime(message.storedAt)],
    ['expires', formatTime(message.deadline)],
    ['due', message.dueAt === undefined ? undefined : formatTime(message.dueAt)],
    ['consumer', message.consumer && safeText(message.consumer)],
    ['renewed', message.renewedAt === undefined ? undefined : formatTime(message.renewedAt)],
    ['reason', letter?.reason],
    ['died', letter && formatTime(letter.lastAt)],
    ...Object.entries(message.headers).map(([name, value]): [string, string] => [
      `header ${safeText(name)}`,
      safeText(value),
    ]),
  ];
  for (const [name, value] of lines) if (value !== undefined) print(`${name.padEnd(9)} ${value}`);
  for (const { attempt, at, name, message: text, stack } of message.errors) {
    const lines = [`${formatTime(at)} ${name}: ${text}`, ...(stack?.split('\n') ?? [])];
    print(`attempt ${String(attempt)} ${lines.map(safeText).join('\n          ')}`);
  }
  if (letter?.error) {
    const { name, message: text, stack } = letter.error;
    const trace = stack === undefined ? `${name}: ${text}` : stack;
    print(`error     ${trace.split('\n').map(safeText).join('\n          ')}`);
  }
  print(`payload   ${safeText(rawPayload(message))}`);
}
