import type { QueueMessage } from './queue-message.js';

/**
 * The reason why a message was not moved to another queue:
 * - `running`: a worker has it.
 * - `request`: a caller waits for its reply, which only a worker of this queue can give.
 * - `ordered`: an earlier message of its ordering key stays here, or it is itself to be tried again first.
 * - `legacy`: a legacy client may take it, or may wait for its response.
 * - `unreadable`: it is no event.
 * - `gone`: it is not there any more.
 */
export type StayReason = 'gone' | 'legacy' | 'ordered' | 'request' | 'running' | 'unreadable';

/** The result of a move. */
export interface MoveResult {
  /**
   * The number of messages that the other queue has got by this call. Those that an earlier move had left on
   * their way are among them.
   */
  readonly count: number;
  /** The number of chosen messages that stay, by reason. A reason without any is missing. */
  readonly stayed: Readonly<Partial<Record<StayReason, number>>>;
}

/**
 * Tells the reason for which a message would stay, as far as one can see it from the message alone.
 * @returns `undefined` when it would go, unless an earlier message of its ordering key stays
 */
export function reasonToStay({ state, isRequest, event, letter }: QueueMessage): StayReason | undefined {
  if (state === 'running') return 'running';
  if (state === 'dead') return letter?.reason === 'malformed' ? 'unreadable' : undefined;
  if (!event) return 'unreadable';
  return isRequest ? 'request' : undefined;
}

/** Adds up what several moves have done. */
export function sumOfMoves(results: readonly MoveResult[]): MoveResult {
  const stayed: Partial<Record<StayReason, number>> = {};
  for (const result of results) {
    for (const [reason, count] of Object.entries(result.stayed) as [StayReason, number][])
      stayed[reason] = (stayed[reason] ?? 0) + count;
  }
  return { count: results.reduce((sum, { count }) => sum + count, 0), stayed };
}
