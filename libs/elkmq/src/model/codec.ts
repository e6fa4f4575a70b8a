import { JsonParseError } from './errors.js';
import { MAX_TIMEOUT_SECONDS, ServiceEvent } from './service-event.js';

/*
 * The JSON of the original ElkMQ: {"request_uuid":N,"timeout":T,"action":"…","payload":"…"|null}. N is an
 * unsigned 128-bit integer as a bare number. JSON.parse would round it, so its digits are taken from the
 * text.
 */

const MAX_UUID = '340282366920938463463374607431768211455';
const INTEGER = /^(?:0|[1-9]\d*)$/;

/** The form that the original and this package write. Everything else takes the slow way. */
const AS_WRITTEN =
  // eslint-disable-next-line no-control-regex -- JSON forbids raw control characters
  /^\{"request_uuid":(0|[1-9]\d{0,38}),"timeout":(0|[1-9]\d{0,4}),"action":"([^"\\\x00-\x1f]*)","payload":/;

/** The JSON of `event`, byte for byte as the original writes it. */
export function encodeEvent(event: ServiceEvent): string {
  const payload = event.payload === null ? 'null' : JSON.stringify(event.payload);
  return `{"request_uuid":${event.requestId},"timeout":${String(event.timeout)},"action":${JSON.stringify(event.action)},"payload":${payload}}`;
}

/**
 * Reads the text of `encodeEvent` or of the original. It accepts and refuses the same texts as the original's
 * reader.
 * @param replyTo the client whose inbox takes the reply, when the entry names one
 * @throws {JsonParseError}
 */
export function decodeEvent(json: string, replyTo?: string): ServiceEvent {
  const head = AS_WRITTEN.exec(json);
  if (head && json.endsWith('}')) {
    const [start, requestId, timeout, action] = head as unknown as [string, string, string, string];
    const payload = parse(json.slice(start.length, -1));
    if (isUuid(requestId) && Number(timeout) <= MAX_TIMEOUT_SECONDS && isTextOrNull(payload)) {
      return new ServiceEvent(Number(timeout), action, payload, requestId, replyTo);
    }
  }
  return decodeAnyForm(json, replyTo);
}

/**
 * The response that a reply carries. The body is a string when an `EventQueue` answered: the JSON of a
 * response event. Otherwise a handler answered: the body is `{"response": …}`, `{"err": …}`, or null when it
 * answered nothing.
 * @throws {JsonParseError}
 */
export function decodeReply(body: unknown, request: ServiceEvent): ServiceEvent {
  if (typeof body === 'string') return decodeEvent(body);
  const { response, err } = (body ?? {}) as { response?: unknown; err?: unknown };
  const payload = err === undefined ? textOf(response) : JSON.stringify({ err });
  return ServiceEvent.responseTo(request, request.action, payload);
}

/**
 * Turns a handler's answer into a payload for readers of text: a string stays as it is, anything else becomes
 * JSON.
 */
export function textOf(value: unknown): string | null {
  if (value === undefined) return null;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The value of a payload: the value of its JSON, or the text itself where it is not JSON. */
export function valueOf(payload: string | null): unknown {
  if (payload === null) return undefined;
  try {
    return JSON.parse(payload) as unknown;
  } catch {
    return payload;
  }
}

/** Reads every other form: unknown members, any order, white space, escapes, no payload, an array. */
function decodeAnyForm(json: string, replyTo?: string): ServiceEvent {
  const parsed = parse(json);
  if (parsed === undefined || parsed === null || typeof parsed !== 'object')
    throw refused(json, 'not an object');
  const members = Array.isArray(parsed) ? arrayMembers(json) : objectMembers(json);

  const requestId = members.get('request_uuid');
  if (!isInteger(requestId) || !isUuid(requestId)) {
    throw refused(json, 'request_uuid is not an unsigned 128-bit integer');
  }
  const timeout = members.get('timeout');
  if (!isInteger(timeout) || Number(timeout) > MAX_TIMEOUT_SECONDS) {
    throw refused(json, `timeout is not an integer from 0 to ${String(MAX_TIMEOUT_SECONDS)}`);
  }
  const action = parse(members.get('action') ?? '');
  if (typeof action !== 'string' || !action.isWellFormed()) throw refused(json, 'action is not a string');
  const payload = parse(members.get('payload') ?? 'null');
  if (!isTextOrNull(payload)) throw refused(json, 'payload is neither a string nor null');
  return new ServiceEvent(Number(timeout), action, payload, requestId, replyTo);
}

function isUuid(digits: string): boolean {
  return digits.length < MAX_UUID.length || (digits.length === MAX_UUID.length && digits <= MAX_UUID);
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || (typeof value === 'string' && value.isWellFormed());
}

function isInteger(text: string | undefined): text is string {
  return text !== undefined && INTEGER.test(text);
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

const MEMBERS = ['request_uuid', 'timeout', 'action', 'payload'];

/**
 * Reads the array form. The original's reader (serde) takes a struct as an array as well: all its members, in
 * order.
 */
function arrayMembers(json: string): Map<string, string> {
  const values = splitTopLevel(json);
  if (values.length !== MEMBERS.length)
    throw refused(json, `an array of ${String(MEMBERS.length)} was expected`);
  return new Map(MEMBERS.map((name, index) => [name, values[index] as string]));
}

function objectMembers(json: string): Map<string, string> {
  const members = new Map<string, string>();
  for (const member of splitTopLevel(json)) {
    const key = /^"(?:[^"\\]|\\.)*"/.exec(member)?.[0] ?? '""';
    const name = parse(key) as string;
    if (members.has(name) && MEMBERS.includes(name)) throw refused(json, `${name} stands twice`);
    members.set(name, member.slice(key.length).trim().slice(1).trim());
  }
  return members;
}

/** Cuts JSON that is known to be valid at the commas of its outermost level. */
function splitTopLevel(json: string): string[] {
  const text = json.trim().slice(1, -1);
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === '"') {
      for (i++; text[i] !== '"'; i++) if (text[i] === '\\') i++;
    } else if (char === '[' || char === '{') depth++;
    else if (char === ']' || char === '}') depth--;
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, i).trim());
      start = i + 1;
    }
  }
  const last = text.slice(start).trim();
  return last === '' ? parts : [...parts, last];
}

function refused(json: string, why: string): JsonParseError {
  const shown = json.length > 200 ? `${json.slice(0, 200)}… (${String(json.length)} characters)` : json;
  return new JsonParseError(`not a service event: ${why}: ${shown}`);
}
