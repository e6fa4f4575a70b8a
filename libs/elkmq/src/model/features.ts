/**
 * A feature of a worker, which it names in the registry: it lets the next message of an ordering key go on.
 */
export const ORDERING_KEYS = 'ordering_keys';

/** A feature of a worker: it takes nothing while its queue is paused. */
export const PAUSE = 'pause';

/** A feature of a worker: it keeps the limits of its queue. */
export const LIMITS = 'limits';

/**
 * The features of a worker of this version, in the form of the registry.
 * @param keepsLimits whether it takes messages within the limits of its queue
 */
export function featuresOf(keepsLimits: boolean): readonly string[] {
  return [...(keepsLimits ? [LIMITS] : []), ORDERING_KEYS, PAUSE];
}
