import type { CredentialsFunction } from '../redis/credentials.js';
import type { QueueChange } from './message-changes.js';

/** The options of a `QueueAdmin`. */
export interface QueueAdminOptions {
  /** Fetches the credentials, as of an `EventQueue`. */
  readonly credentials?: CredentialsFunction | undefined;
  /** The time that Redis may take for one call, ms. Default 10,000. */
  readonly timeout?: number | undefined;
  /**
   * The number of partitions of the queue: 2, 4, 8, 16, 32 or 64. Default: the number that its clients and
   * workers have registered. Give it to look at a queue while partitions 0 and 1 do not answer.
   */
  readonly partitions?: number | undefined;
  /**
   * Is called after each change that this admin has made. The change is not undone, so an error of the audit
   * does not fail it: what the audit throws or rejects with becomes a warning of the process. Nobody waits
   * for a promise that it returns.
   */
  readonly audit?: ((change: QueueChange) => void) | undefined;
}
