/**
 * A feature of a worker, which it names in the registry: it lets the next message of an ordering key go on.
 */
export const ORDERING_KEYS = 'ordering_keys';

/** A feature of a worker: it looks whether its queue has partitions. */
export const PARTITIONS = 'partitions';

/** A feature of a worker: it takes nothing while its queue is paused. */
export const PAUSE = 'pause';

/** A feature of a worker: it keeps the limits of its queue. */
export const LIMITS = 'limits';

/** A feature of a worker: it pushes replies. */
export const PUSHED_REPLIES = 'pushed_replies';

/**
 * The features of a worker of this version, in the form of the registry.
 * @param keepsLimits whether it takes messages within the limits of its queue
 * @param pushes whether it pushes replies
 */
export function featuresOf(keepsLimits: boolean, pushes: boolean): readonly string[] {
  const always = [ORDERING_KEYS, PARTITIONS, PAUSE];
  return [...(keepsLimits ? [LIMITS] : []), ...always, ...(pushes ? [PUSHED_REPLIES] : [])];
}
