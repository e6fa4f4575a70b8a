import { pairsOf } from '../model/fields.js';
import { GROUP } from '../model/keys.js';
import * as scripts from '../redis/scripts.generated.js';
import { callScript, readCommand, type AdminContext } from './admin-call.js';
import { isStreamId, timestampOf } from '../model/stream-id.js';

/** An ordering key behind whose first message, the head, others wait. */
export interface BlockedKey {
  readonly key: string;
  /** The number of messages that wait behind the head. */
  readonly waiting: number;
  /** The origin of the head. */
  readonly head: string;
  /**
   * The state of the head:
   * - `waiting`: no worker has taken it.
   * - `running`: a worker has taken it and not settled it.
   * - `delayed`: it is due later.
   * - `dead`: it is a dead letter of a handler with `order: 'block'`. The key goes on when the letter is
   *   retried or removed.
   * - `gone`: somebody has deleted it by hand. A worker lets the next message go on, within two minutes.
   */
  readonly state: 'waiting' | 'running' | 'delayed' | 'dead' | 'gone';
  /** The number of the attempt that waits, runs or is delayed; of a dead letter that of its last one. */
  readonly attempt: number;
  /**
   * A time, ms since 1970. It depends on the state:
   * - `waiting`, `running`, `gone`: the time at which this attempt was put into the queue.
   * - `delayed`: the time at which the message was put into the queue.
   * - `dead`: the time at which it died.
   */
  readonly since: number;
}

/** The number of lanes that one step reads. */
const LANES_PER_STEP = 200;
const LANE = /^(\d+-\d+) (\S+) (\d+) (\d+)$/;

/** Reads the blocked keys of a queue in steps that are short for Redis. A key can come twice. */
export async function* readBlockedKeys(context: AdminContext): AsyncGenerator<BlockedKey, void, undefined> {
  let cursor = '0';
  do {
    const args = [context.keys.lanes, cursor, 'COUNT', LANES_PER_STEP];
    const [next, lanes] = (await readCommand(context, 'hscan', args)) as [string, string[]];
    yield* await headsOf(context, lanes);
    cursor = next;
  } while (cursor !== '0');
}

/** @param lanes key and lane in turn */
async function headsOf(context: AdminContext, lanes: readonly string[]): Promise<BlockedKey[]> {
  const blocked: { key: string; waiting: number; origin: string; entry: string }[] = [];
  for (const [key, lane] of pairsOf(lanes)) {
    const [, origin = '', entry = '', first, last] = LANE.exec(lane) ?? [];
    const waiting = Number(last) - Number(first) + 1;
    if (waiting > 0) blocked.push({ key, waiting, origin, entry });
  }
  if (blocked.length === 0) return [];
  const call = scripts.readHeads(context.keys, { group: GROUP, heads: blocked });
  const answer = (await callScript(context, call)) as string[];
  return blocked.map(({ key, waiting, origin, entry }, index) => {
    const [state = '', attempt, diedAt = ''] = answer.slice(3 * index, 3 * index + 3);
    return {
      key,
      waiting,
      head: origin,
      state: (state || 'gone') as BlockedKey['state'],
      attempt: Number(attempt),
      since: diedAt === '' ? timestampOf(isStreamId(entry) ? entry : origin) : Number(diedAt),
    };
  });
}
