import { KEPT_LONGER_MS } from '../legacy/ownership.js';
import { GROUP, type QueueKeys } from '../model/keys.js';
import type { ScriptName } from '../redis/scripts.js';
import type { Deduplication, OutgoingEvent } from './batch.js';

/** The producer that sends a batch. */
export interface Sender {
  readonly clientId: string;
  /** The largest number of batches in flight. Redis remembers the answers to as many. */
  readonly window: number;
  /** The time for which Redis remembers its answers, ms. */
  readonly memory: number;
  /** The number of messages that the queue may hold. */
  readonly maxQueueLength: number | undefined;
  /** Whether ids go to the legacy list too. */
  readonly legacyConsumers: boolean;
}

/** The call of a script that stores a batch. */
export interface EnqueueCall {
  readonly script: ScriptName;
  readonly keys: readonly string[];
  readonly args: readonly (string | number)[];
}

/** The time for which an inbox is kept after its latest reply can come, ms. */
const INBOX_MARGIN_MS = 30_000;

/**
 * Makes the call for a batch. The usual batch has a script of its own: requests, or events with nothing but
 * their JSON.
 * @param number of the batch
 */
export function enqueueCall(
  events: readonly OutgoingEvent[],
  queueKeys: QueueKeys,
  sender: Sender,
  number: number,
): EnqueueCall {
  const { window, memory, clientId } = sender;
  let replyWithin = 0;
  let requests = 0;
  for (const event of events) {
    if (event.replyWithin === 0) continue;
    requests++;
    if (event.replyWithin > replyWithin) replyWithin = event.replyWithin;
  }
  const keys = [queueKeys.eventStream, queueKeys.producer(clientId)];
  if (requests > 0) keys.push(queueKeys.inbox(clientId) as string);
  const head = [number, number % window, memory, requests > 0 ? inboxFor(replyWithin) : 0];
  const isUniform = requests === 0 || requests === events.length;
  if (!isUniform || isQueueWithOptions(sender) || events.some(hasOptions))
    return callWithOptions(events, queueKeys, sender, keys, head);
  const args: (string | number)[] = [...head, requests > 0 ? clientId : ''];
  for (const { json } of events) args.push(json);
  return { script: 'enqueue', keys, args };
}

function isQueueWithOptions({ maxQueueLength, legacyConsumers }: Sender): boolean {
  return maxQueueLength !== undefined || legacyConsumers;
}

/** Whether the event has more than its JSON. */
function hasOptions({ fields, delay, deduplication }: OutgoingEvent): boolean {
  return fields.length > 0 || delay > 0 || deduplication !== undefined;
}

/** @param keys gets the further keys of the call */
function callWithOptions(
  events: readonly OutgoingEvent[],
  queueKeys: QueueKeys,
  { clientId, maxQueueLength, legacyConsumers }: Sender,
  keys: string[],
  head: number[],
): EnqueueCall {
  const place = legacyConsumers ? keys.push(queueKeys.messageQueue) : '';
  if (legacyConsumers) keys.push(queueKeys.leftovers);
  const args = [...head, clientId, maxQueueLength ?? '', place, GROUP, KEPT_LONGER_MS];
  let isDelayed = false;
  for (const event of events) {
    let kind = (event.replyWithin > 0 ? 'r' : 'e') + String(event.fields.length / 2);
    if (event.delay > 0) {
      isDelayed = true;
      kind += `:${String(event.delay)}`;
    }
    if (event.deduplication) kind += recordOf(event, event.deduplication, queueKeys, keys);
    args.push(kind, event.json, ...event.fields);
  }
  if (maxQueueLength !== undefined) keys.push(queueKeys.responseStream, queueKeys.leftovers);
  if (isDelayed || maxQueueLength !== undefined) keys.push(queueKeys.delayed, queueKeys.delayedBodies);
  return { script: 'enqueueWithOptions', keys, args };
}

function inboxFor(replyWithin: number): number {
  return Math.ceil(replyWithin) + INBOX_MARGIN_MS;
}

/**
 * Adds the record of a deduplication key to `keys`.
 * @returns the part of the call that describes this record to the script
 */
function recordOf(
  { replyWithin, requestId }: OutgoingEvent,
  { key, window }: Deduplication,
  queueKeys: QueueKeys,
  keys: string[],
): string {
  const isRequest = replyWithin > 0;
  const place = keys.push(queueKeys.deduplication(isRequest ? 'request' : 'event', key));
  const needed = isRequest ? inboxFor(replyWithin) : 0;
  return `;${String(place)};${String(window)};${String(needed)};${isRequest ? requestId : ''}`;
}
