import type { MessageStep, QueueReader } from './message-page.js';
import { parseState } from './message-reader.js';
import { END, formatPlaces, parsePlaces } from './partition-places.js';
import { parseMaybePartitioned, withPartition } from './partitioned-id.js';
import type { MessageState, QueueMessage } from './queue-message.js';

const NOTHING: MessageStep = { messages: [], places: [], next: undefined };

/**
 * Reads the messages of a queue with partitions in pages. A page has messages of all partitions, merged by
 * time. The place of the next page has the place in each partition: see `parsePlaces`.
 */
export class PartitionedReader implements QueueReader {
  readonly #readers: readonly QueueReader[];

  constructor(readers: readonly QueueReader[]) {
    this.#readers = readers;
  }

  /** Ordered messages come partition by partition: they have no order. */
  async readStep(
    state: MessageState,
    after: string | undefined,
    limit: number,
    order: 'oldest' | 'newest' = 'oldest',
  ): Promise<MessageStep> {
    const places = parsePlaces('after', after, this.#readers.length);
    const isMerged = parseState(state) !== 'ordered';
    const first = places.findIndex((place) => place !== END);
    const steps = await Promise.all(
      this.#readers.map(async (reader, partition) => {
        const place = places[partition];
        if (place === END || (!isMerged && partition !== first)) return NOTHING;
        return reader.readStep(state, place === '' ? undefined : place, limit, order);
      }),
    );
    const isDescending = state === 'dead' || (state === 'waiting' && order === 'newest');
    const { messages, taken } = isMerged ? merged(steps, limit, isDescending) : unmerged(steps, first);
    const reached = places.map((place, partition) => {
      const step = steps[partition];
      const count = taken[partition] ?? 0;
      if (!step || step === NOTHING) return place;
      return count === step.messages.length ? (step.next ?? END) : (step.places[count - 1] ?? place);
    });
    return { messages, places: [], next: formatPlaces(reached) };
  }

  /** Reads one message. An id that names no partition is looked for in all of them. */
  async readMessage(id: string): Promise<QueueMessage | undefined> {
    const wanted = parseMaybePartitioned('origin', id, this.#readers.length);
    const reads = this.#readers.map(async (reader, partition) => {
      if (wanted.partition !== undefined && wanted.partition !== partition) return undefined;
      const message = await reader.readMessage(wanted.id);
      return message && withPartition(message, partition);
    });
    const results = await Promise.allSettled(reads);
    const found = results.find((result) => result.status === 'fulfilled' && result.value);
    if (found?.status === 'fulfilled') return found.value;
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    return undefined;
  }
}

/** The messages of a step, and how many of them are of each partition. */
interface Merged {
  readonly messages: QueueMessage[];
  readonly taken: number[];
}

/** Merges by time. It ends where a partition may have messages that were not read and that come earlier. */
function merged(steps: readonly MessageStep[], limit: number, isDescending: boolean): Merged {
  const taken = steps.map(() => 0);
  const messages: QueueMessage[] = [];
  const isThrough = ({ places, next }: MessageStep, partition: number): boolean =>
    taken[partition] === places.length && next !== undefined;
  while (messages.length < limit && !steps.some(isThrough)) {
    let best: { partition: number; time: number } | undefined;
    for (const [partition, { places }] of steps.entries()) {
      const place = places[taken[partition] ?? 0];
      if (place === undefined) continue;
      // A place begins with the time by which its state is sorted.
      const time = Number.parseFloat(place) * (isDescending ? -1 : 1);
      if (!best || time < best.time) best = { partition, time };
    }
    if (!best) break;
    const { partition } = best;
    const message = steps[partition]?.messages[taken[partition] ?? 0];
    if (message) messages.push(withPartition(message, partition));
    taken[partition] = (taken[partition] ?? 0) + 1;
  }
  return { messages, taken };
}

/** Takes the messages of one partition. */
function unmerged(steps: readonly MessageStep[], partition: number): Merged {
  const found = steps[partition]?.messages ?? [];
  return {
    messages: found.map((message) => withPartition(message, partition)),
    taken: steps.map((_, each) => (each === partition ? found.length : 0)),
  };
}
