import { whenBatched } from '../batching.js';
import type { Connection } from '../redis/connection.js';
import type { QueueKeys } from '../keys.js';
import { callReliably } from '../redis/reliable-call.js';
import { BATCH_SIZE, SettlementBatch, type Settlable, type SettlementCall } from './settlement-batch.js';

/** A call ends so many attempts at the most. */
const MOST = 256;
/** A worker tries to settle for as long as this, ms. */
export const PATIENCE = 24 * 60 * 60 * 1_000;

/** Settles attempts in batches: what ends during one tick goes out together, and so do replies to one client. */
export class Settler {
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #sent: () => void;
  #waiting: Settlable[] = [];
  #inFlight = 0;
  #ending = 0;

  /** @param sent is called when a batch has gone out */
  constructor(connection: Connection, keys: QueueKeys, sent: () => void) {
    this.#connection = connection;
    this.#keys = keys;
    this.#sent = sent;
  }

  /** How many attempts have ended, which Redis has been told, but has not confirmed. */
  get ending(): number {
    return this.#ending;
  }

  /** `attempt` is asked for what it has to say when the batch goes out. */
  add(attempt: Settlable): void {
    const { length } = this.#waiting;
    this.#waiting.push(attempt);
    if (length === 0) whenBatched(this.#inFlight === 0, this.#flush);
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    let batch = new SettlementBatch(this.#keys, MOST);
    for (const attempt of waiting) {
      if (batch.isFull) {
        this.#send(batch);
        batch = new SettlementBatch(this.#keys, MOST);
      }
      batch.add(attempt, attempt.take(BATCH_SIZE - batch.size));
    }
    this.#send(batch);
    this.#sent();
  };

  #send(batch: SettlementBatch): void {
    for (const call of batch.calls()) void this.#call(call);
  }

  async #call({ script, keys, args, attempts }: SettlementCall): Promise<void> {
    const isEnd = script === 'settle';
    this.#inFlight++;
    if (isEnd) this.#ending += attempts.length;
    let failure: unknown;
    let lost: string[] = [];
    const doubt = { isInDoubt: false };
    try {
      lost = (await callReliably(this.#connection, script, keys, args, PATIENCE, doubt)) as string[];
    } catch (error) {
      failure = error;
    }
    // After a try in doubt, an attempt that is gone may have been ended by that try, whose answer was lost.
    const gone = isEnd && doubt.isInDoubt ? 'in doubt' : 'lost';
    if (isEnd) this.#ending -= attempts.length;
    for (const attempt of attempts) attempt.settled(lost.includes(attempt.id) ? gone : 'kept', failure);
    this.#inFlight--;
  }
}
