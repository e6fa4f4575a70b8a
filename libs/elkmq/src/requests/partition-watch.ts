import { setTimeout as sleep } from 'node:timers/promises';
import type { QueueKeys } from '../model/keys.js';
import type { BatchWatch } from '../producer/batch.js';
import type { Connection } from '../redis/connection.js';
import { attentiveNow } from '../redis/answer-timer.js';
import { isTransient } from '../redis/redis-errors.js';
import { send } from '../redis/scripts.js';

/** The time without an answer to a batch after which a partition is asked whether it is there, ms. */
const SILENCE_MS = 1_000;
/** The pause between two questions, ms. */
const PROBE_PAUSE_MS = 200;

/**
 * Knows whether a partition answers. After a call that has failed, the partition counts as silent, and is
 * asked again and again until it answers. New messages without a key go elsewhere meanwhile.
 */
export class PartitionWatch implements BatchWatch {
  readonly #connection: Connection;
  readonly #keys: Pick<QueueKeys, 'rights'>;
  /** The number of batches on their way. */
  #batches = 0;
  /** The `attentiveNow()` of the last answer, or of the first batch after a pause. */
  #heardAt = 0;
  #isSilent = false;

  constructor(connection: Connection, keys: Pick<QueueKeys, 'rights'>) {
    this.#connection = connection;
    this.#keys = keys;
  }

  get isAnswering(): boolean {
    if (!this.#isSilent && this.#batches > 0 && attentiveNow() - this.#heardAt > SILENCE_MS) this.#probe();
    return !this.#isSilent;
  }

  batchSent(): void {
    if (this.#batches++ === 0) this.#heardAt = attentiveNow();
  }

  batchEnded(): void {
    this.#batches--;
    this.#heardAt = attentiveNow();
  }

  attemptFailed(error: unknown): void {
    if (!this.#isSilent && isTransient(error)) this.#probe();
  }

  #probe(): void {
    this.#isSilent = true;
    void this.#askUntilAnswered().then(() => {
      this.#isSilent = false;
      this.#heardAt = attentiveNow();
    });
  }

  async #askUntilAnswered(): Promise<void> {
    while (this.#connection.status !== 'closed') {
      try {
        await send(this.#connection.client, 'exists', [this.#keys.rights]);
        return;
      } catch (error) {
        if (!isTransient(error)) return;
        await sleep(PROBE_PAUSE_MS, undefined, { ref: false });
      }
    }
  }
}
