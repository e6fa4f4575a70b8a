import type { Connection } from '../redis/connection.js';
import { uptimeOf } from '../redis/check.js';

/** The time that workers which have lost Redis may take to find it again, ms. */
const RECONNECT_MS = 5_000;
/** A first connection that takes longer than this, ms, has waited for the end of an outage. */
const PROMPT_CONNECTION_MS = 1_000;

/**
 * The time after an outage in which other workers find Redis again. Only time in which Redis answers counts.
 */
export class GracePeriod {
  readonly #connection: Connection;
  #session = 0;
  /** The `performance.now()` at which it ends. */
  #end = 0;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** The time that is left of it, ms. */
  get left(): number {
    return Math.max(this.#end - performance.now(), 0);
  }

  /**
   * Begins when the connection is a new one.
   * @returns whether it is
   */
  async begin(): Promise<boolean> {
    const { session } = this.#connection;
    if (session === this.#session) return false;
    this.#end = performance.now() + (await this.#length(session));
    this.#session = session;
    return true;
  }

  /** Makes up for the time since `asked` (`performance.now()`), in which Redis has not answered. */
  prolong(asked: number): void {
    this.#end += performance.now() - asked;
  }

  /**
   * The length of the grace period, ms. A process that has just started has not seen an outage, but may see
   * the traces of one.
   */
  async #length(session: number): Promise<number> {
    if (session > 1 || this.#connection.outage > PROMPT_CONNECTION_MS) return RECONNECT_MS;
    return RECONNECT_MS - (await uptimeOf(this.#connection.client));
  }
}
