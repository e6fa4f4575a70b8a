import { partitionOf } from 'elkmq/internal';
import type { Execution, Facts } from '../faults/facts.js';
import { AFTERMATH } from '../faults/lives.js';
import type { Load } from '../faults/load.js';

/** The messages that a replica had when its master was dead, before it took over. Times in ms since 1970. */
export interface Snapshot {
  readonly killedAt: number;
  readonly tookOverAt: number;
  /** The partitions of that master. */
  readonly partitions: ReadonlySet<number>;
  /** By number. A message is waiting as long as the replica does not know that a worker has it. */
  readonly messages: ReadonlyMap<number, 'waiting' | 'handed out' | 'dead letter'>;
}

/** The run does not know the partition of a message without a key. The replica lags by less than this, ms. */
const LAG_MS = 10_000;

/**
 * The changes that Redis has lost: its replication is asynchronous, so a replica that takes over does not have the last
 * ones of its master. Nothing else may be lost, handled twice or out of order.
 */
export class Setbacks {
  readonly #snapshots: readonly Snapshot[];
  readonly #load: Load;
  readonly #partitions: number;
  readonly #keys = new Set<string>();

  /** @param messages the facts of each message */
  constructor(
    snapshots: readonly Snapshot[],
    load: Load,
    partitions: number,
    messages: ReadonlyMap<number, Facts>,
  ) {
    this.#snapshots = snapshots;
    this.#load = load;
    this.#partitions = partitions;
    for (const [number, facts] of messages) {
      const key = load.keyOf(number);
      if (key !== undefined && this.#isSetBack(number, facts)) this.#keys.add(key);
    }
  }

  /** Whether messages of this ordering key have a state of before again, so its order may break. */
  hasKey(key: string): boolean {
    return this.#keys.has(key);
  }

  /** Whether a message had been stored, and a replica without it took over. */
  isLost(number: number, { sentAt }: Facts): boolean {
    const isKeyed = this.#load.keyOf(number) !== undefined;
    return this.#of(number).some(
      ({ killedAt, messages }) =>
        sentAt <= killedAt && (isKeyed || sentAt >= killedAt - LAG_MS) && !messages.has(number),
    );
  }

  /**
   * Whether a message was handed out, and a replica that did not know it took over before it was handed out again. A
   * replica that did not have the message at all got it from its client: nobody had told the client that it was stored.
   */
  isRepeated(number: number, { sentAt }: Facts, first: Execution, second: Execution): boolean {
    return this.#of(number).some(({ killedAt, tookOverAt, messages }) => {
      // A worker may start late what it has read.
      if (first.at > tookOverAt + AFTERMATH || second.at < tookOverAt) return false;
      if (messages.has(number)) return messages.get(number) === 'waiting';
      return sentAt <= killedAt && sentAt >= killedAt - LAG_MS && second.attempt === 1;
    });
  }

  #isSetBack(number: number, { executions }: Facts): boolean {
    return this.#of(number).some(({ killedAt, tookOverAt, messages }) => {
      const state = messages.get(number);
      if (state === 'waiting') return executions.some(({ at }) => at <= tookOverAt);
      const latest = executions.findLast(({ at }) => at <= killedAt);
      return state === 'handed out' && latest?.endedAt !== undefined && latest.endedAt <= killedAt;
    });
  }

  /** The snapshots of the partition of a message; all where that is not known. */
  #of(number: number): readonly Snapshot[] {
    const key = this.#load.keyOf(number);
    if (key === undefined) return this.#snapshots;
    const partition = partitionOf(key, this.#partitions);
    return this.#snapshots.filter(({ partitions }) => partitions.has(partition));
  }
}
