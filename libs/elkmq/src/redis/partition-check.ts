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
    registered = await runScript(client, scripts.registerPartitions(keys, { count: 0 }));
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

  /** Reads all first: partitions that the queue does not have would accept any number. */
  async #run(client: Client): Promise<void> {
    const [first, ...others] = await this.#ask(client, 0, this.#partitions);
    if (!first) return;
    // When two come first, this one decides between them.
    await this.#ask(client, this.#partitions.length, [first]);
    await this.#ask(client, this.#partitions.length, others);
  }

  /**
   * @param count the number to register, or 0
   * @returns the partitions that have answered
   */
  async #ask(client: Client, count: number, partitions: readonly QueueKeys[]): Promise<QueueKeys[]> {
    const answered: QueueKeys[] = [];
    let failure: Error | undefined;
    const askOne = async (keys: QueueKeys): Promise<void> => {
      try {
        const registered = await runScript(client, scripts.registerPartitions(keys, { count }));
        this.#compare(keys, registered);
        answered.push(keys);
      } catch (error) {
        if (error instanceof InvalidOptionError || !isTransient(error)) throw error;
        failure = error as Error;
      }
    };
    await Promise.all(partitions.map(askOne));
    if (answered.length === 0 && failure) throw failure;
    return partitions.filter((keys) => answered.includes(keys));
  }

  #compare(keys: QueueKeys, registered: unknown): void {
    const { length } = this.#partitions;
    if (registered !== 0 && registered !== length) throw refusal(keys, registered, String(length));
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
