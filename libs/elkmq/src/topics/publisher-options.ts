import { Summary } from '../model/summary.js';
import type { PartitionParts, RequesterOptions } from '../requests/requester-options.js';
import type { TopicPartition } from './retention-keeper.js';

export interface PublisherOptions extends RequesterOptions {
  /** Whether an event without a subscription fails with an `UnroutedError`. */
  readonly requireSubscription: boolean;
}

/** The parts that the publishers of all partitions share, and those of one partition. */
export interface PublisherParts extends PartitionParts {
  readonly partition: TopicPartition;
  /** The patterns of events without a subscription. */
  readonly unrouted: Summary<string>;
  /** Gets each warning of retention, also when partitions give the same. */
  readonly warn: (message: string) => void;
}

/** Gathers the patterns of events without a subscription for the log. */
export function newUnroutedSummary(warn: (message: string) => void): Summary<string> {
  return new Summary((count, action) => {
    warn(
      `${String(count)} event(s) had no subscription and were dropped, the last one with the pattern '${action}'`,
    );
  });
}
