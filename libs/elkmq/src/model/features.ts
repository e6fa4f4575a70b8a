/**
 * A feature of a worker, which it names in the registry: it lets the next message of an ordering key go on.
 */
export const ORDERING_KEYS = 'ordering_keys';

/** A feature of a worker: it takes nothing while its queue is paused. */
export const PAUSE = 'pause';

/** The features of a worker of this version, in the form of the registry. */
export const FEATURES: readonly string[] = [ORDERING_KEYS, PAUSE];
