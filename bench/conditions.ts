/** Under which conditions the transports of a run are compared. */
export interface Conditions {
  /** So many clients, and as many workers. */
  readonly processes: number;
  /** How long each handler waits before it answers, ms. */
  readonly handlerMs: number;
  /** How many messages a worker handles at once, where the transport has such a limit. Absent: the usual number. */
  readonly concurrency?: number;
}

export const USUAL: Conditions = { processes: 1, handlerMs: 0 };
