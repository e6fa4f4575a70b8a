import { InvalidOptionError } from '../model/errors.js';
import { fieldOf, pairsOf } from '../model/fields.js';
import { formatValue } from '../model/options.js';
import * as scripts from '../redis/scripts.generated.js';
import { callScript, type AdminContext } from './admin-call.js';
import { STEP } from './message-page.js';
import { messageOfEntry, type QueueMessage } from './queue-message.js';

/** A message that waits behind another one of its ordering key. */
export interface OrderedMessage {
  /** Its field in the hash `lane_bodies`. */
  readonly field: string;
  readonly origin: string;
  readonly fields: string[];
}

interface OrderedStep {
  readonly found: OrderedMessage[];
  /** The place of the next step; `undefined` when there are no more. */
  readonly next: string | undefined;
}

/** The number of messages that one pass over the hash looks for. */
const ORIGINS_PER_PASS = 1_000;
/** A cursor of HSCAN, and the last origin that was seen after it. */
const PLACE = /^(\d{1,20})(?::(\d{1,20}-\d{1,20}))?$/;

/**
 * Reads messages that wait behind others, in no order. It may read fewer than `limit`, when others follow.
 */
export async function readOrdered(
  context: AdminContext,
  after: string | undefined,
  limit: number,
): Promise<{ messages: QueueMessage[]; next: string | undefined }> {
  const { found, next } = await readStep(context, after, limit, []);
  const messages = found.flatMap(({ origin, fields }) => messageOfEntry([origin, fields], 'ordered') ?? []);
  return { messages, next };
}

/** Finds messages that wait behind others, in steps that are short for Redis. */
export async function findOrdered(
  context: AdminContext,
  origins: readonly string[],
): Promise<OrderedMessage[]> {
  const all: OrderedMessage[] = [];
  for (let from = 0; from < origins.length; from += ORIGINS_PER_PASS) {
    const wanted = new Set(origins.slice(from, from + ORIGINS_PER_PASS));
    let next: string | undefined;
    do {
      const step = await readStep(context, next, STEP.messages, [...wanted]);
      for (const message of step.found) if (wanted.delete(message.origin)) all.push(message);
      next = step.next;
    } while (next !== undefined && wanted.size > 0);
  }
  return all;
}

/** @param origins of the messages to find; none: all */
async function readStep(
  context: AdminContext,
  after: string | undefined,
  limit: number,
  origins: readonly string[],
): Promise<OrderedStep> {
  const [cursor, seen] = after === undefined ? ['0', ''] : placeOf(after);
  const args = { cursor, seen, limit: Math.min(limit, STEP.messages), budget: STEP.bytes, origins };
  const answer = await callScript(context, scripts.readOrdered(context.keys, args));
  const [nextCursor, nextSeen, ...rows] = answer as [string, string, ...unknown[]];
  const found: OrderedMessage[] = [];
  for (const [field, fields] of pairsOf(rows) as [string, string[]][]) {
    found.push({ field, origin: fieldOf(fields, 'origin') as string, fields });
  }
  const place = nextSeen === '' ? nextCursor : `${nextCursor}:${nextSeen}`;
  return { found, next: nextCursor === '' ? undefined : place };
}

function placeOf(after: unknown): [cursor: string, seen: string] {
  const place = typeof after === 'string' ? PLACE.exec(after) : null;
  if (place) return [place[1] as string, place[2] ?? ''];
  throw new InvalidOptionError(`after must be \`next\` of a page, got ${formatValue(after)}`);
}
