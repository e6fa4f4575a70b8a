import { encodeEvent } from '../model/codec.js';
import { GROUP, type QueueKeys } from '../model/keys.js';
import { hyphenated } from '../model/request-ids.js';
import type { ServiceEvent } from '../model/service-event.js';
import type { StreamEntry } from '../model/stream-entries.js';
import type { Connection } from '../redis/connection.js';
import type { TaskRefused } from '../redis/periodic-task.js';
import type { RedisSource } from '../redis/redis-source.js';
import * as scripts from '../redis/scripts.generated.js';
import type { ScriptCall } from '../redis/scripts.js';
import { Arbiter, type ArbiterListener } from './arbiter.js';
import { Janitor } from './janitor.js';
import { deletableAt, KEPT_LONGER_MS, LegacyOwnership } from './ownership.js';
import { ResponseWatch } from './response-watch.js';

/** The pause between two looks of a worker or a dequeuer at what legacy clients have left, ms. */
const CONSUMER_PACE_MS = 1_000;
/** The same for a client. There may be no worker that cleans up. */
const CLIENT_PACE_MS = 5_000;

/** Decides on contested entries. */
export type EntryArbiter = Pick<Arbiter, 'size' | 'decideEntries' | 'isWon' | 'stopDeciding'>;
/** Cleans up after legacy clients. */
export type Cleaning = Pick<Janitor, 'stopCleaning' | 'clearList'>;
/** Looks for the responses of legacy consumers. */
export type LegacyResponses = Pick<ResponseWatch, 'watchRequest' | 'forget' | 'stopWatching'>;

/** An event of a legacy client, as the group has handed it out. */
export interface LegacyEvent {
  readonly id: string;
  /** The id of the entry that its producer wrote. */
  readonly origin: string;
  /** The fields of its entry, name and value in turn. */
  readonly fields: readonly string[];
  readonly event?: ServiceEvent | undefined;
}

const NO_CLEANING: Cleaning = { stopCleaning: () => Promise.resolve(), clearList: () => Promise.resolve() };
const NO_RESPONSES: LegacyResponses = {
  watchRequest: () => undefined,
  forget: () => undefined,
  stopWatching: () => Promise.resolve(),
};

/**
 * The one door to everything that exists for legacy clients: who gets an entry, their responses, and what
 * they leave behind. Nobody else imports the other files of this folder.
 *
 * It costs nothing where there are no legacy clients. A client whose queue has no legacy consumers opens
 * nothing. A worker compares the fields of an entry, and asks every five seconds whether one of the keys of
 * legacy clients exists.
 */
export class LegacyBridge {
  /** The time for which an entry for legacy clients is kept after its timeout, ms. */
  readonly keptLongerMs = KEPT_LONGER_MS;
  readonly #connection: Connection;
  readonly #keys: QueueKeys;
  readonly #ownership: LegacyOwnership;

  /** @param hasConsumers whether legacy consumers read the queue too: the option `legacyConsumers` */
  constructor(
    connection: Connection,
    keys: QueueKeys,
    readonly hasConsumers: boolean,
  ) {
    this.#connection = connection;
    this.#keys = keys;
    this.#ownership = new LegacyOwnership(hasConsumers);
  }

  /**
   * The group has been joined.
   * @param until the answer of `join_group.lua`
   */
  recordJoin(until: string): void {
    this.#ownership.recordJoin(until);
  }

  /**
   * The last id up to which legacy consumers may take entries of legacy producers: `+` for all entries, ''
   * for none.
   */
  get contestedUntil(): string {
    return this.#ownership.limit;
  }

  /** Whether a legacy consumer may take the entry too. */
  isContested(entry: StreamEntry): boolean {
    return this.#ownership.isContested(entry);
  }

  /**
   * The call that ends an event of a legacy client, which was handled. It answers 1, or 0 when the event had
   * another owner.
   * @param response the response that the client reads, if one is due
   */
  answerCall({ id, origin, fields, event }: LegacyEvent, response?: ServiceEvent): ScriptCall {
    // The winner of the entry has taken its id. A later entry than the first is in the list only if it was
    // won.
    const isListed = origin === id && !this.isContested([id, [...fields]]);
    return scripts.answerLegacy(this.#keys, {
      group: GROUP,
      id,
      listed: isListed ? id : '',
      request: hyphenated(event?.requestId ?? ''),
      response: response ? encodeEvent(response) : '',
    });
  }

  /**
   * The call that acknowledges an entry for legacy clients, and leaves it in the stream until its time has
   * passed. It answers 1, or 0 when the entry had another owner.
   */
  leaveCall(id: string, fields: readonly string[]): ScriptCall {
    const deletable = deletableAt([id, [...fields]]);
    return scripts.skip(this.#keys, { group: GROUP, id, deletable });
  }

  /** The call that stores a response where a legacy client reads it. It answers the id of the response. */
  respondCall(requestId: string, json: string): ScriptCall {
    return scripts.respond(this.#keys, { request: hyphenated(requestId), response: json });
  }

  /** Opens the arbiter of a consumer. It decides on contested entries. */
  openArbiter(listener: ArbiterListener): EntryArbiter {
    return new Arbiter(this.#connection, this.#keys, listener);
  }

  /** Starts to clean up, for a worker or a dequeuer. */
  cleanForConsumer(onRefused: TaskRefused = () => undefined): Cleaning {
    return new Janitor(this.#connection, this.#keys, CONSUMER_PACE_MS, onRefused);
  }

  /** Starts to clean up, for a client, if its queue has legacy consumers. */
  cleanForClient(onRefused: TaskRefused): Cleaning {
    if (!this.hasConsumers) return NO_CLEANING;
    return new Janitor(this.#connection, this.#keys, CLIENT_PACE_MS, onRefused);
  }

  /**
   * Opens the connection for the responses of legacy consumers, if there are any.
   * @param receive gets the JSON of a response, with the id of its entry
   */
  watchResponses(
    source: RedisSource,
    receive: (requestId: string, json: string, id: string) => void,
    onError: (error: Error) => void,
  ): LegacyResponses {
    return this.hasConsumers ? new ResponseWatch(source, this.#keys, receive, onError) : NO_RESPONSES;
  }
}
