import type { CredentialsFunction } from '../redis/credentials.js';
import type { QueueChange } from './message-changes.js';

/** The options of a `QueueAdmin`. */
export interface QueueAdminOptions {
  /** Fetches the credentials, as of an `EventQueue`. */
  readonly credentials?: CredentialsFunction | undefined;
  /** The time that Redis may take for one call, ms. Default 10,000. */
  readonly timeout?: number | undefined;
  /**
   * Is called after each change that this admin has made. An error that it throws reaches the caller of the
   * change.
   */
  readonly audit?: ((change: QueueChange) => void) | undefined;
}
