import { randomBytes } from 'node:crypto';
import { EnqueueError, TooManySubscriptionsError, UnsubscribedError } from '../model/errors.js';
import { GROUP } from '../model/keys.js';
import type { TopicKeys } from '../model/topic-keys.js';
import { MAX_SUBSCRIPTIONS } from '../model/topic-names.js';
import type { ScriptCall } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import type { Connection } from '../redis/connection.js';
import { readHash } from './read-hash.js';
import { DEFAULT_RETENTION, type Retention, type Subscription } from './subscription.js';
import { describe, tableOf, type SubscriptionTable } from './table.js';

/** Runs a script, as `runScript` or as `callReliably` does. */
export type RunCall = (call: ScriptCall) => Promise<unknown>;

/** A change of a subscription. */
export interface SubscriptionChange {
  /** The patterns that it is to have, given those that it has now. */
  readonly patterns: (now: readonly string[]) => readonly string[];
  /** Default: the retention stays as it is. */
  readonly retention?: Retention | undefined;
  /** Whether a subscription that was removed may come back. */
  readonly mayReturn: boolean;
}

/** The number of tries to change a subscription that others change at the same time. */
const MAX_TRIES = 200;

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

/**
 * Adds a subscription to the table, or changes it, and makes the group of its queue. It tries again when
 * others change the subscription meanwhile.
 * @param read reads the table
 * @returns whether the table had the subscription before
 * @throws {UnsubscribedError} when it was removed and may not come back
 * @throws {TooManySubscriptionsError}
 * @throws {EnqueueError} when others always come first
 */
export async function changeSubscription(
  keys: TopicKeys,
  name: string,
  change: SubscriptionChange,
  read: () => Promise<SubscriptionTable>,
  run: RunCall,
): Promise<boolean> {
  const { eventStream } = keys.queueKeys(name);
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const table = await read();
    const expected = table.texts.get(name) ?? '';
    const known = table.subscriptions.find((subscription) => subscription.name === name);
    const description = describe(changed(known, change));
    const call = scripts.subscribe(
      { subscriptions: keys.subscriptions, eventStream },
      {
        group: GROUP,
        name,
        expected,
        description,
        version: newVersion(),
        limit: MAX_SUBSCRIPTIONS,
        mayReturn: change.mayReturn,
      },
    );
    switch (await run(call)) {
      case 'OK':
        return known !== undefined;
      case 'REMOVED':
        throw removedError(keys, name, table.removed.get(name));
      case 'FULL':
        throw new TooManySubscriptionsError(
          `the topic '${keys.topic}' has ${String(MAX_SUBSCRIPTIONS)} subscriptions, which is the most: '${name}' was not added`,
        );
      default:
      // Others have changed the subscription.
    }
  }
  throw new EnqueueError(
    `the subscription '${name}' of the topic '${keys.topic}' was changed by others ${String(MAX_TRIES)} times in a row`,
  );
}

/**
 * Removes a subscription, with all its messages.
 * @returns whether the table had it
 */
export async function removeSubscription(keys: TopicKeys, name: string, run: RunCall): Promise<boolean> {
  const { subscriptions, trimmed } = keys;
  const queueKeys = keys.queueKeys(name).fixedKeys();
  const call = scripts.unsubscribe({ subscriptions, trimmed, queueKeys }, { name, version: newVersion() });
  return (await run(call)) === 1;
}

function changed(known: Subscription | undefined, { patterns, retention }: SubscriptionChange) {
  return {
    patterns: patterns(known?.patterns ?? []),
    retention: retention ?? known?.retention ?? DEFAULT_RETENTION,
    since: known?.since ?? Date.now(),
  };
}

function removedError({ topic }: TopicKeys, name: string, at: number | undefined): UnsubscribedError {
  const when = at === undefined || Number.isNaN(at) ? '' : ` at ${new Date(at).toISOString()}`;
  return new UnsubscribedError(
    `the subscription '${name}' was removed from the topic '${topic}'${when}. Its workers do not bring it back: to have it again, call subscribe('${name}', …) of the Topic`,
  );
}
