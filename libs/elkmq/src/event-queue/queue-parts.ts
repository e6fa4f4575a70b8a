import type { DeadLetterQueue } from '../dead-letters/dead-letter-queue.js';
import { QueueDeadLetters } from '../dead-letters/queue-dead-letters.js';
import { QueueKeys } from '../model/keys.js';
import type { ServiceEvent, Timestamp } from '../model/service-event.js';
import type { ConnectionListener } from '../redis/connection.js';
import type { RedisSource } from '../redis/redis-source.js';
import { PartitionedRequester } from '../requests/partitioned-requester.js';
import { Requester } from '../requests/requester.js';
import type { RequesterOptions } from '../requests/requester-options.js';
import { OutcomeWriter } from '../settling/outcome-writer.js';
import type { Dequeuer } from './dequeuer.js';
import { QueueDequeuer } from './queue-dequeuer.js';
import { PartitionedDeadLetters } from './partitioned-dead-letters.js';
import { PartitionedDequeuer } from './partitioned-dequeuer.js';
import { Responder } from './responder.js';

/** The parts of an `EventQueue` that know whether the queue has partitions. */
export interface QueueParts {
  /** The keys of each partition. Without partitions: those of the queue. */
  readonly keys: readonly QueueKeys[];
  readonly requester: Requester | PartitionedRequester;
  readonly dequeuer: Dequeuer;
  readonly deadLetters: DeadLetterQueue;
  /**
   * Stores a response.
   * @param json the response, encoded
   */
  respond(response: ServiceEvent, json: string): Promise<Timestamp>;
}

/** Makes the parts. Partitions share one connection for scripts. */
export function openParts(
  source: RedisSource,
  queue: string,
  partitions: number | undefined,
  options: RequesterOptions,
  listener: ConnectionListener,
): QueueParts {
  const timeoutMs = options.enqueueTimeout;
  if (partitions === undefined) {
    const keys = new QueueKeys(queue, source.isCluster);
    const requester = new Requester(source, keys, options, listener);
    const { context } = requester;
    const writer = new OutcomeWriter(context, { timeoutMs });
    const responder = new Responder(context, writer.deduplicated, timeoutMs);
    return {
      keys: [keys],
      requester,
      dequeuer: new QueueDequeuer(source, context, writer),
      deadLetters: new QueueDeadLetters(context.connection, keys, timeoutMs),
      respond: (response, json) => responder.respond(response, json),
    };
  }
  const requester = new PartitionedRequester(source, queue, partitions, options, listener);
  const contexts = requester.partitions.map((partition) => partition.requester.context);
  const writers = contexts.map((context) => new OutcomeWriter(context, { timeoutMs }));
  const responders = contexts.map(
    (context, index) => new Responder(context, (writers[index] as OutcomeWriter).deduplicated, timeoutMs),
  );
  const keys = contexts.map((context) => context.keys);
  return {
    keys,
    requester,
    dequeuer: new PartitionedDequeuer(source, queue, requester.partitions, writers),
    deadLetters: new PartitionedDeadLetters(requester.connection, keys, timeoutMs),
    respond: (response, json) => {
      // A request that is not of this queue names no partition. The original looks in partition 0.
      const responder = responders[response.partition ?? 0] ?? responders[0];
      return (responder as Responder).respond(response, json);
    },
  };
}
