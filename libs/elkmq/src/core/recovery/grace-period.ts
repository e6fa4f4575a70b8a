import type { Connection } from '../redis/connection.js';
import { uptimeOf } from '../redis/redis-check.js';

/** As long as workers that have lost Redis may take to find it again, ms. */
const RECONNECT = 5_000;
/** A first connection that takes longer than this has waited for the end of an outage, ms. */
const PROMPT = 1_000;

/** The time after an outage in which the others find Redis again: time in which it answers. */
export class GracePeriod {
  readonly #connection: Connection;
  #session = 0;
  /** `performance.now()` */
  #end = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** How long it still lasts, ms. */
  get left(): number {
    return Math.max(this.#end - performance.now(), 0);
  }

  /** Begins when the connection is a new one. @returns whether it is */
  async begin(): Promise<boolean> {
    const { session } = this.#connection;
    if (session === this.#session) return false;
    this.#end = performance.now() + (await this.#length(session));
    this.#session = session;
    return true;
  }

  /** Redis has not answered since `asked` (`performance.now()`): what was left then is still left. */
  prolong(asked: number): void {
    this.#end += performance.now() - asked;
  }

  /** A process that has just started has not seen an outage, but may see the traces of one. */
  async #length(session: number): Promise<number> {
    if (session > 1 || this.#connection.outage > PROMPT) return RECONNECT;
    return RECONNECT - (await uptimeOf(this.#connection.client));
  }
}
