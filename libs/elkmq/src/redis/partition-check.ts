import { InvalidOptionError } from '../model/errors.js';
import type { QueueKeys } from '../model/keys.js';
import type { TopicKeys } from '../model/topic-keys.js';
import { subscriptionOfQueue } from '../model/topic-names.js';
import type { Connection } from './connection.js';
import { isTransient } from './redis-errors.js';
import { runScript, type ScriptCall } from './scripts.js';
import * as scripts from './scripts.generated.js';

type Client = Connection['client'];
/** The keys of a partition of a queue, or of a topic. */
type Keys = QueueKeys | TopicKeys;

/**
 * Checks that a queue, or a topic, has no partitions, for one who knows of none.
 * @throws {InvalidOptionError} when it has
 */
export async function refusePartitions(client: Client, keys: Keys): Promise<void> {
  let registered;
  try {
    registered = await runScript(client, readCall(keys));
  } catch (error) {
    if (isTransient(error)) throw error;
    // The user of Redis may not read the number: nobody has used partitions with its rights.
    return;
  }
  if (registered !== 0) throw refusal(keys, registered, 'none');
}

/**
 * The number of partitions of a queue, or of a topic. Whoever comes first registers it in each partition, and
 * all others must have the same. A partition that does not answer is left out, if another one does.
 */
export class PartitionNumber {
  readonly #partitions: readonly Keys[];
  readonly #prepare: (client: Client) => Promise<readonly string[]>;
  #check: Promise<void> | undefined;

  /**
   * @param partitions the keys of each partition
   * @param prepare is called before the first number is registered. It returns the lanes that partition 0 may
   * have from the time before. A topic needs it. Default: the lanes of the queue
   */
  constructor(partitions: readonly Keys[], prepare?: (client: Client) => Promise<readonly string[]>) {
    this.#partitions = partitions;
    this.#prepare = prepare ?? (() => Promise.resolve(lanesOf(partitions[0] as QueueKeys)));
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
    const read = await this.#ask(this.#partitions, (keys) => runScript(client, readCall(keys)));
    let without = this.#partitions.filter((keys) => read.registered.get(keys) === 0);
    if (without.length === read.registered.size) {
      // There is no number yet. When two come first, partition 0 decides between them. Only this partition
      // can have messages from before.
      const lanes = await this.#prepare(client);
      const { registered } = await this.#ask([first], (keys) => this.#register(client, keys, lanes));
      // Another partition, which does not answer, may have the number.
      if (registered.get(first) === -1) throw read.failure ?? this.#refusal(-1);
      without = without.filter((keys) => keys !== first);
    }
    await this.#ask(without, (keys) => this.#register(client, keys));
  }

  /** @param lanes are given when no other partition is known to have the number */
  #register(client: Client, { partitions }: Keys, lanes?: readonly string[]): Promise<unknown> {
    const args = { count: this.#partitions.length, isKnown: lanes === undefined };
    return runScript(client, scripts.registerPartitions({ partitions, lanes: lanes ?? [] }, args));
  }

  /** @returns the answers, and the failure of a partition that has not answered */
  async #ask(
    partitions: readonly Keys[],
    ask: (keys: Keys) => Promise<unknown>,
  ): Promise<{ registered: Map<Keys, unknown>; failure: Error | undefined }> {
    const registered = new Map<Keys, unknown>();
    let failure: Error | undefined;
    const askOne = async (keys: Keys): Promise<void> => {
      try {
        const number = await ask(keys);
        this.#compare(number);
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

  #compare(registered: unknown): void {
    const isRight = registered === 0 || registered === -1 || registered === this.#partitions.length;
    if (!isRight) throw this.#refusal(registered);
  }

  #refusal(registered: unknown): InvalidOptionError {
    return refusal(this.#partitions[0] as Keys, registered, String(this.#partitions.length));
  }
}

/** @throws {InvalidOptionError} when it is the queue of a subscription: its topic registers the number */
function lanesOf({ queue, lanes }: QueueKeys): string[] {
  const subscription = subscriptionOfQueue(queue);
  if (!subscription) return [lanes];
  throw new InvalidOptionError(
    `partitions must not be given for the queue '${queue}': its topic '${subscription.topic}' has none`,
  );
}

function readCall({ partitions }: Keys): ScriptCall {
  return scripts.registerPartitions({ partitions, lanes: [] }, { count: 0, isKnown: false });
}

function refusal(keys: Keys, registered: unknown, given: string): InvalidOptionError {
  const owner = 'topic' in keys ? `the topic '${keys.topic}'` : `the queue '${keys.queue}'`;
  return new InvalidOptionError(
    registered === -1
      ? `partitions must not be given (got ${given}) while ${owner}, which had none, has messages with ordering keys: let its workers finish them first`
      : `partitions must be ${String(registered)} for ${owner}, got ${given}: all its clients and workers must have the same number`,
  );
}
