import type { TopicKeys } from '../model/topic-keys.js';
import {
  changeSubscription,
  changedByOthersError,
  MAX_TRIES,
  removeSubscription,
  writeSubscription,
  type SubscriptionChange,
  type TableCalls,
} from './table-changes.js';
import type { SubscriptionTable } from './table.js';

/*
 * Each partition of a topic has its own table, because a script sees one slot only. The table of partition 0
 * decides: each change is made there first, and the others follow it. So a change that was cut in the middle
 * can be completed by anybody: by the next call, by the worker of a partition, and by its publishers.
 */

/** What was found when a partition followed partition 0. */
export interface Followed {
  /** The table of partition 0. */
  readonly table: SubscriptionTable;
  /** Whether the table of the partition had the subscription. */
  readonly hadIt: boolean;
}

/**
 * Makes a subscription in the table of a partition what it is in partition 0: there, changed or removed. When
 * partition 0 knows nothing of it, it stays as it is: somebody may have deleted that table.
 */
export async function followSubscription(
  leader: TopicKeys,
  keys: TopicKeys,
  name: string,
  calls: TableCalls,
): Promise<Followed> {
  let hadIt: boolean | undefined;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    // Partition 0 is read last. What is written was true after the read of this partition, so it cannot undo
    // the later change of somebody else: that one would have changed what this write expects.
    const own = await calls.read(keys);
    const table = await calls.read(leader);
    const [text, wanted] = [own.texts.get(name), table.texts.get(name)];
    hadIt ??= text !== undefined;
    if (wanted === undefined && (text === undefined || !table.removed.has(name))) return { table, hadIt };
    if (wanted === undefined) {
      await removeSubscription(keys, name, calls, text);
      continue;
    }
    if ((await writeSubscription(keys, name, text, wanted, true, calls)) === 'OK') return { table, hadIt };
  }
  throw changedByOthersError(keys, name);
}

/** Makes the table of a partition that of partition 0. */
export async function followTable(leader: TopicKeys, keys: TopicKeys, calls: TableCalls): Promise<void> {
  const [own, { texts, removed }] = await Promise.all([calls.read(keys), calls.read(leader)]);
  for (const name of new Set([...own.texts.keys(), ...texts.keys()])) {
    const wanted = texts.get(name);
    const isWrong = wanted === undefined ? removed.has(name) : wanted !== own.texts.get(name);
    if (isWrong) await followSubscription(leader, keys, name, calls);
  }
}

/** Changes a subscription in all partitions of a topic, as `changeSubscription` does in one. */
export async function changeInAll(
  partitions: readonly TopicKeys[],
  name: string,
  change: SubscriptionChange,
  calls: TableCalls,
): Promise<void> {
  await changeSubscription(partitions[0] as TopicKeys, name, change, calls);
  await followInEach(partitions, name, calls);
}

/**
 * Removes a subscription from all partitions of a topic, with all its messages.
 * @returns whether a partition had it
 */
export async function removeFromAll(
  partitions: readonly TopicKeys[],
  name: string,
  calls: TableCalls,
): Promise<boolean> {
  const wasThere = await removeSubscription(partitions[0] as TopicKeys, name, calls);
  const followed = await followInEach(partitions, name, calls);
  return wasThere || followed.some(({ hadIt }) => hadIt);
}

async function followInEach(
  partitions: readonly TopicKeys[],
  name: string,
  calls: TableCalls,
): Promise<Followed[]> {
  const [leader, ...others] = partitions as [TopicKeys, ...TopicKeys[]];
  // One that does not answer must not keep the others from following.
  const results = await Promise.allSettled(
    others.map((keys) => followSubscription(leader, keys, name, calls)),
  );
  return results.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
}
