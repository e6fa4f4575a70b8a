import { randomBytes } from 'node:crypto';
import { BLOCK, BlockingReader, type StreamEntry } from './blocking-reader.js';
import type { Connection } from './connection.js';
import { DequeueError } from './errors.js';
import { GROUP, type QueueKeys } from './keys.js';
import { isNoGroup } from './redis-errors.js';
import type { RedisSource } from './redis-source.js';
import { callReliably } from './reliable-call.js';
import { runScript, send } from './scripts.js';

/** Handing back is tried for as long as this, ms. */
const PATIENCE = 10_000;

export interface Intake {
  /** How many entries can be taken now. */
  credit(): number;
  /** How long a read may wait for the first of them, ms; as long as it likes when this is not given. */
  patience?(): number;
  /** Entries that are this consumer's from now on, of so many asked for. None when the time was up. */
  take(entries: StreamEntry[], asked: number): void;
}

/**
 * Takes entries of the event stream out of the consumer group: each goes to one consumer, and is pending for it
 * until it is settled. It reads while there is credit, one read at a time.
 */
export class GroupConsumer {
  /** The name in the group; what is pending is pending for it. */
  readonly name = `worker-${randomBytes(9).toString('base64url')}`;
  readonly #keys: QueueKeys;
  readonly #connection: Connection;
  readonly #intake: Intake;
  readonly #reader: BlockingReader;
  readonly #onError: (error: Error) => void;
  #asked = 0;
  #stopping = false;
  #handingBack: Promise<unknown> = Promise.resolve();

  /** @param connection for everything but the blocking reads */
  constructor(
    source: RedisSource,
    keys: QueueKeys,
    connection: Connection,
    intake: Intake,
    onError: (error: Error) => void,
  ) {
    this.#keys = keys;
    this.#connection = connection;
    this.#intake = intake;
    this.#onError = onError;
    this.#reader = new BlockingReader(source, {
      next: () => this.#next(),
      entries: (entries) => {
        if (this.#stopping) this.handBack(entries);
        else intake.take(entries, this.#asked);
      },
      refused: (error) => this.#refused(error),
    });
  }

  /** Takes the next entry, if one is waiting; does not wait for one. */
  async readOne(): Promise<StreamEntry | undefined> {
    const args = ['GROUP', GROUP, this.name, 'COUNT', 1, 'STREAMS', this.#keys.eventStream, '>'];
    const reply = await send(this.#connection.client, 'xreadgroup', args);
    return (reply as [string, StreamEntry[]][] | null)?.[0]?.[1][0];
  }

  /** Credit has come. */
  wake(): void {
    this.#reader.wake();
  }

  /** Puts entries that were not started back into the queue. */
  handBack(entries: StreamEntry[]): void {
    if (entries.length === 0) return;
    const args = [GROUP, ...entries.map(([id]) => id)];
    const call = callReliably(this.#connection, 'requeue', [this.#keys.eventStream], args, PATIENCE);
    this.#handingBack = Promise.all([this.#handingBack, call.catch(this.#onError)]);
  }

  /** Takes nothing more. What a read that is on its way brings in goes back to the queue. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#reader.stop(async (clientId) => {
      // Without it (an ACL may forbid it) the read ends by itself, within BLOCK.
      await send(this.#connection.client, 'client', ['UNBLOCK', clientId]).catch(() => undefined);
    });
    await this.#handingBack;
  }

  /** Leaves the group, unless something is still pending: that stays for others to recover. */
  async leave(): Promise<void> {
    await runScript(this.#connection.client, 'leave', [this.#keys.eventStream], [GROUP, this.name]);
  }

  #next(): [string, ...(string | number)[]] | undefined {
    this.#asked = this.#stopping ? 0 : this.#intake.credit();
    if (this.#asked <= 0) return undefined;
    const block = Math.min(this.#intake.patience?.() ?? BLOCK, BLOCK);
    const stream = this.#keys.eventStream;
    const wait = ['BLOCK', Math.max(1, Math.ceil(block))];
    return ['xreadgroup', 'GROUP', GROUP, this.name, 'COUNT', this.#asked, ...wait, 'STREAMS', stream, '>'];
  }

  async #refused(error: Error): Promise<void> {
    if (isNoGroup(error)) return joinGroup(this.#reader.connection, this.#keys);
    this.#onError(new DequeueError(`Redis refused to hand out events: ${error.message}`, { cause: error }));
  }
}

/** Makes the consumer group, unless it is there; its first consumers get all that is waiting. */
export async function joinGroup(connection: Connection, keys: QueueKeys): Promise<void> {
  try {
    await send(connection.client, 'xgroup', ['CREATE', keys.eventStream, GROUP, '0', 'MKSTREAM']);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('BUSYGROUP')) throw error;
  }
}
