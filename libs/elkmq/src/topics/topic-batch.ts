import type { Deduplication } from '../model/deduplication.js';
import { isLarge, MAX_CHARACTERS, MAX_EVENTS, PlainEvent, type OutgoingEvent } from '../producer/batch.js';
import { isKeyed } from '../model/ordering-key.js';
import type { TopicKeys } from '../model/topic-keys.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';
import type { Router } from './router.js';
import type { SubscriptionTable } from './table.js';

/** An event on its way to a topic. */
export class TopicEvent extends PlainEvent {
  /** @param since the `attentiveNow()` from which its timeout counts */
  constructor(
    requestId: string,
    readonly action: string,
    json: string,
    fields: readonly string[],
    delay: number,
    deduplication: Deduplication | undefined,
    stored: (copies: string) => void,
    failed: (error: Error) => void,
    readonly since: number,
  ) {
    super(requestId, json, fields, delay, deduplication, stored, failed);
  }
}

/** The most copies of one call: about two milliseconds of Redis. One event is never divided. */
const MAX_COPIES = 500;
/** A copy with an ordering key or a delay counts as this number of plain copies. */
const COSTLY_COPY = 3;

/** The number of the first events that go out as one batch. */
export function countBatch(waiting: readonly TopicEvent[], router: Router): number {
  let characters = 0;
  let copies = 0;
  let count = 0;
  for (const event of waiting) {
    characters += event.json.length;
    copies += router.routesOf(event.action).length * (isCostly(event) ? COSTLY_COPY : 1);
    const isOver = characters > MAX_CHARACTERS || copies > MAX_COPIES || isLarge(event);
    if (count > 0 && isOver) return count;
    count++;
    if (count === MAX_EVENTS || isLarge(event)) return count;
  }
  return count;
}

/** The producer that sends a batch. */
export interface TopicSender {
  readonly clientId: string;
  /** The number of the batch. */
  readonly number: number;
  /** The time for which Redis remembers its answer, ms. */
  readonly answerTtlMs: number;
}

/** Makes the call for a batch. The usual batch has a script of its own: events without a delay or a key. */
export function publishCall(
  events: readonly TopicEvent[],
  router: Router,
  table: SubscriptionTable,
  topicKeys: TopicKeys,
  { clientId, number, answerTtlMs }: TopicSender,
): ScriptCall {
  const used = new Map<number, number>();
  const routesOf = ({ action }: TopicEvent): string => queueIndexesOf(router.routesOf(action), used);
  const routes = events.map(routesOf);
  const unrouted = events.filter((_, index) => routes[index] === '');
  const { subscriptions, unrouted: unroutedKey, laneIds } = topicKeys;
  const keys = { subscriptions, unrouted: unroutedKey, producer: topicKeys.producer(clientId) };
  const args = {
    batch: String(number),
    // One batch is on its way at a time.
    answerField: '0',
    answerTtlMs: String(answerTtlMs),
    version: table.version,
    unroutedCount: unrouted.length,
    unroutedAction: unrouted.at(-1)?.action ?? '',
  };
  const names = [...used.keys()].map((route) => (table.subscriptions[route] as { name: string }).name);
  const queues = names.map((name) => topicKeys.queueKeys(name));
  if (!events.some(isCostly) && !events.some(({ deduplication }) => deduplication)) {
    const eventStreams = queues.map(({ eventStream }) => eventStream);
    return scripts.publish({ ...keys, eventStreams }, { ...args, groups: groupsOf(events, routes) });
  }
  const queueKeys = queues.flatMap((queue) => [
    queue.eventStream,
    queue.delayed,
    queue.delayedBodies,
    queue.lanes,
    queue.laneBodies,
  ]);
  const withOptions = events.map(({ json, fields, delay, deduplication }, index) => ({
    json,
    routes: routes[index] ?? '',
    delay,
    record: deduplication ? queueKeys.push(topicKeys.deduplication(deduplication.key)) : 0,
    window: deduplication?.window ?? 0,
    fields,
  }));
  // The script sets these keys to those of a queue before it uses them.
  const { eventStream, delayed, delayedBodies, lanes, laneBodies } = queues[0] ?? topicKeys.queueKeys('none');
  return scripts.publishWithOptions(
    { ...keys, eventStream, delayed, delayedBodies, lanes, laneBodies, laneIds, queueKeys },
    { ...args, events: withOptions },
  );
}

/** Events that follow each other, with the same routes and as many fields. */
interface Group {
  readonly routes: string;
  readonly textsPerEvent: number;
  readonly texts: string[];
}

/** The events in groups: most batches are one, so most events need one argument. */
function groupsOf(events: readonly TopicEvent[], routes: readonly string[]): Group[] {
  const groups: Group[] = [];
  for (const [index, { json, fields }] of events.entries()) {
    const route = routes[index] ?? '';
    const textsPerEvent = 1 + fields.length;
    let group = groups.at(-1);
    if (group?.routes !== route || group.textsPerEvent !== textsPerEvent) {
      group = { routes: route, textsPerEvent, texts: [] };
      groups.push(group);
    }
    group.texts.push(json, ...fields);
  }
  return groups;
}

function isCostly({ fields, delay }: OutgoingEvent): boolean {
  return delay > 0 || (fields.length > 0 && isKeyed(fields));
}

/** The routes as indexes among the queues that the batch uses, counted from 1. */
function queueIndexesOf(routes: readonly number[], used: Map<number, number>): string {
  const queueIndexes = routes.map((route) => {
    const queueIndex = used.get(route) ?? used.size + 1;
    used.set(route, queueIndex);
    return queueIndex;
  });
  return queueIndexes.join(' ');
}
