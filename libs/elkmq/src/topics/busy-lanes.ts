import { GROUP, type QueueKeys } from '../model/keys.js';
import type { Connection } from '../redis/connection.js';
import { runScript } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';

/** The number of lanes of one call: about a tenth of a millisecond of Redis. */
const LANES_PER_CALL = 500;
/** The most calls for one queue. Lanes beyond them count as if their heads waited in the stream. */
const MAX_CALLS = 100;

/** A lane in which messages wait behind a head that does not wait in the stream. */
export interface BusyLane {
  readonly key: string;
  /** The time of the head, ms. The messages behind it are younger. */
  readonly headTime: number;
  /** The number of messages that wait. */
  readonly waiting: number;
}

/** The busy lanes of a queue, the one with the oldest head first. */
export async function readBusyLanes(
  client: Connection['client'],
  { eventStream, lanes }: QueueKeys,
): Promise<BusyLane[]> {
  const found = new Map<string, BusyLane>();
  let cursor = '0';
  for (let calls = 0; calls < MAX_CALLS; calls++) {
    const args = { group: GROUP, cursor, count: LANES_PER_CALL };
    const answer = await runScript(client, scripts.readBusyLanes({ eventStream, lanes }, args));
    const [next, page] = answer as [string, [key: string, head: string, waiting: number][]];
    for (const [key, head, waiting] of page) {
      found.set(key, { key, headTime: Number(head.slice(0, head.indexOf('-'))), waiting });
    }
    if (next === '0') break;
    cursor = next;
  }
  return [...found.values()].sort((one, other) => one.headTime - other.headTime);
}
