import { InvalidOptionError } from '../model/errors.js';
import { pairsOf } from '../model/fields.js';
import { GROUP, QueueKeys } from '../model/keys.js';
import { formatValue, parseQueueName } from '../model/options.js';
import { queueOfPartition } from '../model/partitions.js';
import type { Doubt } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { callScript, readCommand, type AdminContext } from './admin-call.js';
import { STEP } from './message-page.js';
import type { StayReason } from './move-result.js';
import { MovingMessages } from './moving-messages.js';
import { findOrdered } from './ordered-messages.js';
import { keysOfPartitions, readPartitionNumber } from './partition-number.js';
import { compareIds } from '../model/stream-id.js';

/** The number of lanes that one call reads. */
const KEYS_PER_CALL = 1_000;

interface ChosenMessage {
  readonly id: string;
  /** The ordering key of a message that waits behind others, else ''. */
  readonly orderingKey: string;
}

/** The answers of the calls of `start_move` so far. */
interface MoveAnswers {
  /** The messages that stay. */
  readonly stayed: Map<string, StayReason>;
  /** The messages that are neither an entry nor a delayed or dead message. */
  readonly missing: Set<string>;
}

/**
 * Moves messages to another queue of this Redis, whose keys may be on another server. A step takes some out
 * of this queue, stores them in the other one, and forgets them here. Until then they are in the stream
 * `moving` of this queue, where no worker takes them. A move that ends early leaves them there, and the next
 * one delivers them.
 */
export class MessageMover {
  readonly #context: AdminContext;
  readonly #moving: MovingMessages;

  private constructor(context: AdminContext, moving: MovingMessages) {
    this.#context = context;
    this.#moving = moving;
  }

  /**
   * @param to the target, which may have partitions
   * @throws {InvalidOptionError} when `to` is no name of another queue
   * @throws {EnqueueError} when Redis refuses to store messages there
   */
  static async open(context: AdminContext, to: string, isCluster: boolean): Promise<MessageMover> {
    const { connection, keys: from, timeoutMs } = context;
    if (to === '') throw new InvalidOptionError('toQueue must not be empty');
    const target = new QueueKeys(parseQueueName(to, 'toQueue'), isCluster);
    const source = new QueueKeys(queueOfPartition(from.queue)?.queue ?? from.queue, isCluster);
    if (target.eventStream === source.eventStream)
      throw new InvalidOptionError(`toQueue must be another queue, got ${formatValue(to)}`);
    const number = await readPartitionNumber(connection, target, timeoutMs);
    const partitions = keysOfPartitions(target.queue, isCluster, number);
    return new MessageMover(context, await MovingMessages.open(context, target.queue, partitions));
  }

  /** Delivers what earlier moves have left on its way. */
  async deliverLeftovers(count: (more: number) => void): Promise<void> {
    await this.#moving.deliver(count);
  }

  /** @returns the chosen messages that stay, with the reason of each */
  async moveMessages(
    ids: readonly string[],
    count: (more: number) => void,
  ): Promise<ReadonlyMap<string, StayReason>> {
    const answers: MoveAnswers = { stayed: new Map(), missing: new Set() };
    const chosen = [...new Set(ids)].sort(compareIds).map((id) => ({ id, orderingKey: '' }));
    await this.#moveChosen(chosen, answers, count);
    const ordered = await this.#findOrdered(answers);
    for (const { id } of ordered) answers.stayed.delete(id);
    await this.#moveChosen(ordered, answers, count);
    return answers.stayed;
  }

  async #moveChosen(
    messages: readonly ChosenMessage[],
    answers: MoveAnswers,
    count: (more: number) => void,
  ): Promise<void> {
    let left = messages;
    while (left.length > 0) {
      const looked = await this.#start(left.slice(0, STEP.messages), answers);
      await this.#moving.deliver(count);
      left = left.slice(looked);
    }
  }

  /** @returns the number of messages that were looked at */
  async #start(messages: readonly ChosenMessage[], { stayed, missing }: MoveAnswers): Promise<number> {
    const doubt: Doubt = { isInDoubt: false };
    const to = this.#moving.target;
    const args = { group: GROUP, to, floor: this.#moving.floor, budget: STEP.bytes, messages };
    const answer = await callScript(this.#context, scripts.startMove(this.#context.keys, args), doubt);
    const [looked, reasons] = answer as [number, string[]];
    for (const [id, reason] of pairsOf(reasons)) {
      if (reason === 'gone') missing.add(id);
      // When the answer of the first call was lost, that call has perhaps taken the message out.
      if (reason !== 'gone' || !doubt.isInDoubt) stayed.set(id, reason as StayReason);
    }
    return looked;
  }

  /** Finds those of the missing messages that wait, or did so, behind another one of their ordering key. */
  async #findOrdered({ missing }: MoveAnswers): Promise<ChosenMessage[]> {
    if (missing.size === 0) return [];
    const found = await findOrdered(this.#context, [...missing]);
    // The first one of a key goes first.
    found.sort((one, other) => Number.parseInt(one.field) - Number.parseInt(other.field));
    const behind = found.map(({ field, origin }) => ({
      id: origin,
      orderingKey: field.slice(field.indexOf(' ') + 1),
    }));
    return [...(await this.#findHeads(missing)), ...behind];
  }

  /** Finds messages that have become the first of their ordering key, since those before have gone. */
  async #findHeads(missing: ReadonlySet<string>): Promise<ChosenMessage[]> {
    const { lanes } = this.#context.keys;
    const keys = [...this.#moving.orderingKeys];
    const heads: ChosenMessage[] = [];
    for (let from = 0; from < keys.length; from += KEYS_PER_CALL) {
      const some = keys.slice(from, from + KEYS_PER_CALL);
      const texts = (await readCommand(this.#context, 'hmget', [lanes, ...some])) as (string | null)[];
      for (const [index, text] of texts.entries()) {
        const [id] = text?.split(' ', 1) ?? [];
        if (id !== undefined && missing.has(id)) heads.push({ id, orderingKey: some[index] ?? '' });
      }
    }
    return heads;
  }
}
