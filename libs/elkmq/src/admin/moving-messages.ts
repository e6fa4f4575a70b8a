import { EnqueueError } from '../model/errors.js';
import { fieldOf, pairsOf } from '../model/fields.js';
import type { QueueKeys } from '../model/keys.js';
import { orderingKeyOf } from '../model/ordering-key.js';
import { partitionOf } from '../model/partitions.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably, type Doubt } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { callScript, type AdminContext } from './admin-call.js';
import { STEP } from './message-page.js';
import { compareIds } from '../model/stream-id.js';

/** A message on its way to the other queue. */
interface MovingMessage {
  /** The id of its entry in the stream `moving`. */
  readonly id: string;
  /** The time at which it is due, ms since 1970; '' for now. */
  readonly dueAt: string;
  readonly fields: readonly string[];
}

/** The fields of an entry before those of its message: `to` and `due_at`. */
const OWN_FIELDS = 2;

/** The messages of a queue that are on their way to one other queue. */
export class MovingMessages {
  readonly #context: AdminContext;
  readonly #partitions: readonly QueueKeys[];
  /** The ordering keys of messages that were on their way. */
  readonly orderingKeys = new Set<string>();
  #floor = '0-0';

  private constructor(
    context: AdminContext,
    /** The name of the other queue. */
    readonly target: string,
    partitions: readonly QueueKeys[],
  ) {
    this.#context = context;
    this.#partitions = partitions;
  }

  /**
   * @param partitions the keys of each partition of the target
   * @throws {EnqueueError} when Redis refuses to store messages there
   */
  static async open(
    context: AdminContext,
    target: string,
    partitions: readonly QueueKeys[],
  ): Promise<MovingMessages> {
    const moving = new MovingMessages(context, target, partitions);
    await Promise.all(partitions.map((keys) => moving.#store(keys, [])));
    return moving;
  }

  /** The id of the last message from this queue that the target has got. */
  get floor(): string {
    return this.#floor;
  }

  /**
   * Delivers all of them, in order.
   * @param count is called with the number of those that were delivered by this call
   * @throws {EnqueueError} when Redis refuses to store messages in the target
   */
  async deliver(count: (more: number) => void): Promise<void> {
    let seen = '';
    do {
      const { messages, next } = await this.#read(seen);
      const lots = this.#partitions.map((): MovingMessage[] => []);
      for (const message of messages) {
        const key = orderingKeyOf(message.fields);
        if (key !== undefined) this.orderingKeys.add(key);
        lots[this.#partitionOf(message.id, key)]?.push(message);
      }
      // A partition that fails does not stop the others.
      const results = await Promise.allSettled(
        lots.map(async (lot, partition) => this.#deliverTo(this.#partitions[partition] as QueueKeys, lot)),
      );
      for (const result of results) if (result.status === 'fulfilled') count(result.value);
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      seen = next;
    } while (seen !== '');
  }

  async #read(seen: string): Promise<{ messages: MovingMessage[]; next: string }> {
    const args = { to: this.target, seen, limit: STEP.messages, budget: STEP.bytes };
    const answer = await callScript(this.#context, scripts.readMoving(this.#context.keys, args));
    const [next, ...rows] = answer as [string, ...unknown[]];
    const messages: MovingMessage[] = [];
    for (const [id, fields] of pairsOf(rows) as [string, string[]][]) {
      const dueAt = fieldOf(fields, 'due_at') ?? '';
      messages.push({ id, dueAt, fields: fields.slice(2 * OWN_FIELDS) });
    }
    return { messages, next };
  }

  /** Every move chooses the same partition, so the messages come there in the order of their ids. */
  #partitionOf(id: string, orderingKey: string | undefined): number {
    const count = this.#partitions.length;
    return count === 1 ? 0 : partitionOf(orderingKey ?? id, count);
  }

  /** @returns the number of messages that this call has delivered, and no other move */
  async #deliverTo(keys: QueueKeys, messages: readonly MovingMessage[]): Promise<number> {
    if (messages.length === 0) return 0;
    await this.#store(keys, messages);
    const ids = messages.map(({ id }) => id);
    const doubt: Doubt = { isInDoubt: false };
    const ended = await callScript(this.#context, scripts.endMove(this.#context.keys, { ids }), doubt);
    // When the answer of the first call was lost, that call has ended them.
    return doubt.isInDoubt ? ids.length : (ended as number);
  }

  async #store(keys: QueueKeys, messages: readonly MovingMessage[]): Promise<void> {
    const { connection, keys: from, timeoutMs } = this.#context;
    const call = scripts.storeMoved(keys, { from: from.queue, messages });
    try {
      const last = (await callReliably(connection, call, timeoutMs)) as string;
      if (compareIds(last, this.#floor) > 0) this.#floor = last;
    } catch (error) {
      if (!isReplyError(error)) throw error;
      const state = messages.length > 0 ? 'they are on their way until a move is repeated' : 'none was moved';
      throw new EnqueueError(
        `Redis refuses to store messages in the queue ${keys.queue}: ${error.message}; ${state}`,
        { cause: error },
      );
    }
  }
}
