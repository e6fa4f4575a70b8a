import { InvalidOptionError } from '../model/errors.js';
import type { QueueKeys } from '../model/keys.js';
import type { Connection } from './connection.js';
import { isTransient } from './redis-errors.js';
import { runScript } from './scripts.js';
import * as scripts from './scripts.generated.js';

type Client = Connection['client'];

/**
 * Checks that a queue has no partitions, for one who knows of none.
 * @throws {InvalidOptionError} when it has
 */
export async function refusePartitions(client: Client, keys: QueueKeys): Promise<void> {
  let registered;
  try {
    registered = await runScript(client, scripts.registerPartitions(keys, { count: 0, isKnown: false }));
  } catch (error) {
    if (isTransient(error)) throw error;
    // The user of Redis may not read the number: nobody has used partitions with its rights.
    return;
  }
  if (registered !== 0) throw refusal(keys, registered, 'none');
}

/**
 * The number of partitions of a queue. Whoever comes first registers it in each partition, and all others
 * must have the same. A partition that does not answer is left out, if another one does.
 */
export class PartitionNumber {
  readonly #partitions: readonly QueueKeys[];
  #check: Promise<void> | undefined;

  /** @param partitions the keys of each partition */
  constructor(partitions: readonly QueueKeys[]) {
    this.#partitions = partitions;
  }

  /**
   * Checks the number, until that has succeeded once.
   * @throws {InvalidOptionError} when the queue has another number
   */
  checkNumber(client: Client): Promise<void> {
    this.#check ??= this.#run(client).catch((error: unknown) => {
      this.#check = undefined;
      throw error;
    });
    return this.#check;
  }

  /**
   * Reads all first: partitions that the queue does not have would accept any number. A partition may have
   * lost its number in a failover. It gets the number of the others again.
   */
  async #run(client: Client): Promise<void> {
    const [first] = this.#partitions;
    if (!first) return;
    const read = await this.#ask(client, this.#partitions, 0, false);
    let without = this.#partitions.filter((keys) => read.registered.get(keys) === 0);
    if (without.length === read.registered.size) {
      // The queue has no number yet. When two come first, partition 0 decides between them. Only this
      // partition can have messages from before.
      const { registered } = await this.#ask(client, [first], this.#partitions.length, false);
      // Another partition, which does not answer, may have the number.
      if (registered.get(first) === -1) throw read.failure ?? this.#refusal(first, -1);
      without = without.filter((keys) => keys !== first);
    }
    await this.#ask(client, without, this.#partitions.length, true);
  }

  /**
   * @param count the number to register, or 0
   * @param isKnown whether another partition has this number
   * @returns the answers, and the failure of a partition that has not answered
   */
  async #ask(
    client: Client,
    partitions: readonly QueueKeys[],
    count: number,
    isKnown: boolean,
  ): Promise<{ registered: Map<QueueKeys, unknown>; failure: Error | undefined }> {
    const registered = new Map<QueueKeys, unknown>();
    let failure: Error | undefined;
    const askOne = async (keys: QueueKeys): Promise<void> => {
      try {
        const number = await runScript(client, scripts.registerPartitions(keys, { count, isKnown }));
        this.#compare(keys, number);
        registered.set(keys, number);
      } catch (error) {
        if (error instanceof InvalidOptionError || !isTransient(error)) throw error;
        failure = error as Error;
      }
    };
    await Promise.all(partitions.map(askOne));
    if (registered.size === 0 && failure) throw failure;
    return { registered, failure };
  }

  #compare(keys: QueueKeys, registered: unknown): void {
    const isRight = registered === 0 || registered === -1 || registered === this.#partitions.length;
    if (!isRight) throw this.#refusal(keys, registered);
  }

  #refusal(keys: QueueKeys, registered: unknown): InvalidOptionError {
    return refusal(keys, registered, String(this.#partitions.length));
  }
}

function refusal(keys: QueueKeys, registered: unknown, given: string): InvalidOptionError {
  const queue = `the queue '${keys.queue}'`;
  return new InvalidOptionError(
    registered === -1
      ? `partitions must not be given (got ${given}) while ${queue}, which had none, has messages with ordering keys: let its workers finish them first`
      : `partitions must be ${String(registered)} for ${queue}, got ${given}: all its clients and workers must have the same number`,
  );
}
