import { RedisClock } from '../redis/clock.js';
import type { Connection } from '../redis/connection.js';
import type { QueueKeys } from '../model/keys.js';
import type { PushCommand } from '../model/push.js';
import { LegacyBridge } from '../legacy/bridge.js';
import { RateCounter } from './rate-counter.js';

/** All parts of one queue in one process share this. */
export class QueueContext {
  /** The clock of Redis. It is the clock of this process until it is synchronised. */
  readonly clock = new RedisClock();
  readonly legacy: LegacyBridge;
  /** Counts what this process does with the messages of the queue. */
  readonly rates = new RateCounter();
  /**
   * The command that pushes replies to their clients. A push that Redis refuses does no harm. So replies are
   * pushed until a trial of the rights has shown that it is in vain.
   */
  pushes: PushCommand;

  /**
   * @param connection for everything but blocking reads
   * @param legacyConsumers whether legacy consumers read the queue too
   * @param hasPartitions whether this is a partition of the queue
   */
  constructor(
    readonly connection: Connection,
    readonly keys: QueueKeys,
    legacyConsumers: boolean,
    readonly hasPartitions = false,
  ) {
    this.pushes = connection.client.isCluster ? 'spublish' : 'publish';
    this.legacy = new LegacyBridge(connection, keys, legacyConsumers);
  }
}
