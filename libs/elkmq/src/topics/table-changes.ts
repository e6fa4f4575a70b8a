import { randomBytes } from 'node:crypto';
import { EnqueueError, TooManySubscriptionsError, UnsubscribedError } from '../model/errors.js';
import { GROUP } from '../model/keys.js';
import type { TopicKeys } from '../model/topic-keys.js';
import { MAX_SUBSCRIPTIONS } from '../model/topic-names.js';
import { runScript, type ScriptCall } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import type { Connection } from '../redis/connection.js';
import { readHash } from './read-hash.js';
import { DEFAULT_RETENTION, type Retention, type Subscription } from './subscription.js';
import { describe, tableOf, type SubscriptionTable } from './table.js';

/** The calls of Redis that change a table. */
export interface TableCalls {
  read(keys: TopicKeys): Promise<SubscriptionTable>;
  /** Runs a script, as `runScript` or as `callReliably` does. */
  run(call: ScriptCall): Promise<unknown>;
}

/** A change of a subscription. */
export interface SubscriptionChange {
  /** The patterns that it is to have, given those that it has now, and whether the table has it. */
  readonly patterns: (now: readonly string[], isThere: boolean) => readonly string[];
  /** What is not given stays as it is. */
  readonly retention?: Partial<Retention> | undefined;
  /** Whether a subscription that was removed may come back. */
  readonly mayReturn: boolean;
}

/** The number of tries to change a subscription that others change at the same time. */
export const MAX_TRIES = 200;

/** A version of a table. It is no count: a table that was made anew would come to the same count. */
function newVersion(): string {
  return randomBytes(12).toString('base64url');
}

export async function readTable(
  client: Connection['client'],
  { subscriptions }: TopicKeys,
): Promise<SubscriptionTable> {
  return tableOf(await readHash(client, subscriptions));
}

/** Calls that fail when the connection breaks. */
export function callsOf(client: Connection['client']): TableCalls {
  return { read: (keys) => readTable(client, keys), run: (call) => runScript(client, call) };
}

/**
 * Adds a subscription to the table, or changes it, and makes the group of its queue. It tries again when
 * others change the subscription meanwhile.
 * @returns whether the table had the subscription before
 * @throws {UnsubscribedError} when it was removed and may not come back
 * @throws {TooManySubscriptionsError}
 * @throws {EnqueueError} when others always come first
 */
export async function changeSubscription(
  keys: TopicKeys,
  name: string,
  change: SubscriptionChange,
  calls: TableCalls,
): Promise<boolean> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const table = await calls.read(keys);
    const known = table.subscriptions.find((subscription) => subscription.name === name);
    const wanted = describe(changed(known, change));
    const answer = await writeSubscription(
      keys,
      name,
      table.texts.get(name),
      wanted,
      change.mayReturn,
      calls,
    );
    if (answer === 'OK') return known !== undefined;
    if (answer === 'REMOVED') throw removedError(keys, name, table.removed.get(name));
  }
  throw changedByOthersError(keys, name);
}

/**
 * Writes the description of a subscription, and makes the group of its queue.
 * @param expected its description until now, if it has one
 * @param mayReturn whether a subscription that was removed may come back
 * @throws {TooManySubscriptionsError}
 */
export async function writeSubscription(
  keys: TopicKeys,
  name: string,
  expected: string | undefined,
  description: string,
  mayReturn: boolean,
  { run }: Pick<TableCalls, 'run'>,
): Promise<'OK' | 'CHANGED' | 'REMOVED'> {
  const { eventStream } = keys.queueKeys(name);
  const call = scripts.subscribe(
    { subscriptions: keys.subscriptions, eventStream },
    {
      group: GROUP,
      name,
      expected: expected ?? '',
      description,
      version: newVersion(),
      limit: MAX_SUBSCRIPTIONS,
      mayReturn,
    },
  );
  const answer = (await run(call)) as 'OK' | 'CHANGED' | 'REMOVED' | 'FULL';
  if (answer !== 'FULL') return answer;
  throw new TooManySubscriptionsError(
    `the topic '${keys.topic}' has ${String(MAX_SUBSCRIPTIONS)} subscriptions, which is the most: '${name}' was not added`,
  );
}

/**
 * Removes a subscription, with all its messages.
 * @param expected its description, if it is to be removed only while it has this one
 * @returns whether the table had it
 */
export async function removeSubscription(
  keys: TopicKeys,
  name: string,
  { run }: Pick<TableCalls, 'run'>,
  expected?: string,
): Promise<boolean> {
  const { subscriptions, trimmed } = keys;
  const queueKeys = keys.queueKeys(name).fixedKeys();
  const args = { name, version: newVersion(), expected };
  return (await run(scripts.unsubscribe({ subscriptions, trimmed, queueKeys }, args))) === 1;
}

function changed(known: Subscription | undefined, { patterns, retention }: SubscriptionChange) {
  return {
    patterns: patterns(known?.patterns ?? [], known !== undefined),
    retention: { ...(known?.retention ?? DEFAULT_RETENTION), ...retention },
    since: known?.since ?? Date.now(),
  };
}

export function changedByOthersError({ topic }: TopicKeys, name: string): EnqueueError {
  return new EnqueueError(
    `the subscription '${name}' of the topic '${topic}' was changed by others ${String(MAX_TRIES)} times in a row`,
  );
}

export function removedError({ topic }: TopicKeys, name: string, at: number | undefined): UnsubscribedError {
  const when = at === undefined || Number.isNaN(at) ? '' : ` at ${new Date(at).toISOString()}`;
  return new UnsubscribedError(
    `the subscription '${name}' was removed from the topic '${topic}'${when}. Its workers do not bring it back: to have it again, call subscribe('${name}', …) of the Topic`,
  );
}
