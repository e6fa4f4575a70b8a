import type { QueueContext } from '../context/queue-context.js';
import type { LegacyBridge } from '../legacy/bridge.js';
import { GROUP, type QueueKeys } from '../model/keys.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';
import type { OutgoingEvent } from './batch.js';

/** The producer that sends a batch. */
export interface Sender {
  readonly clientId: string;
  /** The largest number of batches in flight. Redis remembers the answers to as many. */
  readonly window: number;
  /** The time for which Redis remembers its answers, ms. */
  readonly answerTtlMs: number;
  /** The number of messages that the queue may hold. */
  readonly maxQueueLength: number | undefined;
  /** Where there are legacy consumers, ids go to their list too. */
  readonly legacy: LegacyBridge;
}

/** The time for which an inbox is kept after its latest reply can come, ms. */
const INBOX_MARGIN_MS = 30_000;

/**
 * Makes the call for a batch. The usual batch has a script of its own: requests, or events with nothing but
 * their JSON.
 * @param number of the batch
 * @param after number of the batch with ordering keys that must be stored before: 0 when there is none, -1
 * when this batch has no ordering keys
 */
export function enqueueCall(
  events: readonly OutgoingEvent[],
  { keys: queueKeys, pushes }: QueueContext,
  sender: Sender,
  number: number,
  after: number,
): ScriptCall {
  const { window, answerTtlMs, clientId, maxQueueLength, legacy } = sender;
  let replyWithin = 0;
  let requests = 0;
  for (const event of events) {
    if (event.replyWithin === 0) continue;
    requests++;
    if (event.replyWithin > replyWithin) replyWithin = event.replyWithin;
  }
  const { eventStream, delayed, delayedBodies, messageQueue, leftovers, responseStream } = queueKeys;
  const { lanes, laneBodies, laneIds } = queueKeys;
  const producer = queueKeys.producer(clientId);
  const inbox = queueKeys.inbox(clientId) as string;
  const batch = {
    batch: String(number),
    answerField: String(number % window),
    answerTtlMs: String(answerTtlMs),
    inboxNeeded: requests > 0 ? inboxFor(replyWithin) : 0,
  };
  const isUniform = requests === 0 || requests === events.length;
  if (isUniform && !isQueueWithOptions(sender) && !events.some(hasOptions)) {
    // Node 20 takes 2 us to spread an object, so the arguments are listed.
    const args = {
      client: requests > 0 ? clientId : '',
      batch: batch.batch,
      answerField: batch.answerField,
      answerTtlMs: batch.answerTtlMs,
      inboxNeeded: batch.inboxNeeded,
      messages: events.map(({ json }) => json),
    };
    return scripts.enqueue({ eventStream, producer, inbox: requests > 0 ? inbox : undefined }, args);
  }
  const records: string[] = [];
  return scripts.enqueueWithOptions(
    {
      eventStream,
      delayed,
      delayedBodies,
      messageQueue,
      leftovers,
      responseStream,
      lanes,
      laneBodies,
      laneIds,
      inbox,
      producer,
      records,
    },
    {
      ...batch,
      group: GROUP,
      client: clientId,
      maxLength: maxQueueLength ?? 0,
      legacyConsumers: legacy.hasConsumers,
      keptLonger: legacy.keptLongerMs,
      after,
      pushes,
      events: events.map((event) => withOptions(event, clientId, queueKeys, records)),
    },
  );
}

function isQueueWithOptions({ maxQueueLength, legacy }: Sender): boolean {
  return maxQueueLength !== undefined || legacy.hasConsumers;
}

/** Whether the event has more than its JSON. */
function hasOptions({ fields, delay, deduplication }: OutgoingEvent): boolean {
  return fields.length > 0 || delay > 0 || deduplication !== undefined;
}

type EventWithOptions = Parameters<typeof scripts.enqueueWithOptions>[1]['events'][number];

/** @param records gets the record of the event's deduplication key */
function withOptions(
  { json, fields, delay, deduplication, replyWithin, requestId }: OutgoingEvent,
  clientId: string,
  queueKeys: QueueKeys,
  records: string[],
): EventWithOptions {
  const isRequest = replyWithin > 0;
  const replyTo = isRequest ? clientId : '';
  if (delay === 0 && !deduplication) return { json, replyTo, options: '', fields };
  let record = 0;
  if (deduplication) {
    const kind = isRequest ? 'request' : 'event';
    record = records.push(queueKeys.deduplication(kind, deduplication.key));
  }
  const options = {
    delay,
    record,
    window: deduplication?.window ?? 0,
    wait: isRequest ? inboxFor(replyWithin) : 0,
    request: isRequest ? requestId : '',
  };
  return { json, replyTo, options: JSON.stringify(options), fields };
}

function inboxFor(replyWithin: number): number {
  return Math.ceil(replyWithin) + INBOX_MARGIN_MS;
}
