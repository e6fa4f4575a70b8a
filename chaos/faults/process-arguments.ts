import { Cluster } from 'ioredis';
import type { DeliveryMode } from 'nestjs-elkmq';
import type { Life } from './ledger.js';

/** A Cluster, and the number of partitions of the queue there. */
export interface ClusterAddress {
  readonly nodes: readonly Address[];
  /** `HOST:PORT` of a server → the network before it. */
  readonly natMap: Readonly<Record<string, Address>>;
  readonly partitions: number;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

/** What a worker or client process is told at its start, as JSON in its only argument. */
export interface ProcessArguments {
  readonly seed: number;
  /** Whether each message has an ordering key. */
  readonly isOrdered: boolean;
  readonly queue: string;
  /** Of a single Redis. */
  readonly url: string;
  /** Where the queue has partitions. */
  readonly cluster?: ClusterAddress;
  /** Of the ledger. */
  readonly folder: string;
  readonly life: Life;
  readonly delivery: DeliveryMode;
  /** The numbers of the messages to send: from `first`, every `step`th, below `end`. */
  readonly first: number;
  readonly step: number;
  readonly end: number;
}

export function processArguments(): ProcessArguments {
  return JSON.parse(process.argv[2] ?? '{}') as ProcessArguments;
}

/** The time that a server may take to tell the slots, ms. Six servers and seven processes share the machine. */
const SLOTS_REFRESH_MS = 3_000;

/** The options that say where Redis is. */
export function addressOf({ url, cluster }: ProcessArguments) {
  if (!cluster) return { url };
  const { nodes, natMap, partitions } = cluster;
  const options = { natMap, lazyConnect: true, slotsRefreshTimeout: SLOTS_REFRESH_MS };
  return { redis: new Cluster([...nodes], options), partitions };
}

/** The time in which the event loop of a process did not turn, ms since 1970. */
export interface Standstill {
  readonly from: number;
  readonly until: number;
}

/** What such a process says: it has connected, it has sent everything and knows every outcome, it has stood still. */
export type Report = 'ready' | 'finished' | Standstill;

export function tellParent(report: Report): void {
  // A run that has ended is not interested.
  process.send?.(report, undefined, undefined, () => undefined);
}

// Nobody but the run has use for this process: it ends when the run does, however that ends.
process.once('disconnect', () => process.exit(1));
// It may have been closed while this process was starting.
if (!process.connected) process.exit(1);
