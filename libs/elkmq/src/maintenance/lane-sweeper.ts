import type { QueueContext } from '../context/queue-context.js';
import { pairsOf } from '../model/fields.js';
import { GROUP } from '../model/keys.js';
import { PeriodicTask, type TaskRefused } from '../redis/periodic-task.js';
import { runScript, send } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';

const SWEEP_INTERVAL_MS = 1_000;
/** The same while no message has an ordering key. */
const IDLE_INTERVAL_MS = 5_000;
/** The time for which one worker sweeps, unless it renews it. */
const TURN_MS = 15_000;
/** A round through all lanes takes about this number of sweeps. */
const SWEEPS_PER_ROUND = 60;
/** The number of lanes of one read, at the least, and of one call of the script, at the most. */
const LANES_PER_CALL = 200;

interface SeenLane {
  readonly head: string;
  /** The `performance.now()` at which the lane was first seen with this head. */
  readonly since: number;
}

/** The head of a lane that `rebuild_lanes` has made. */
const NO_HEAD = '0-0';

/**
 * What stays the same in the text of a lane while its head does: the head and its entry. Messages that join
 * change the rest. A lane that is being rebuilt has no head. Its first message waits until none before it is
 * found any more, so the number of the first one counts too.
 */
function headOf(text: string): string {
  const [origin = '', entry = origin, first = ''] = text.split(' ');
  return origin === NO_HEAD ? `${origin} ${entry} ${first}` : `${origin} ${entry}`;
}

/**
 * Lets the next message of an ordering key go on when the one before has vanished: somebody deleted its
 * entry by hand, or a worker of an earlier version ended it. Finds messages that wait and that no lane knows.
 * One worker of the queue does this for all.
 */
export class LaneSweeper {
  readonly #context: QueueContext;
  readonly #worker: string;
  readonly #leaseMs: number;
  readonly #task: PeriodicTask;
  #cursor = '0';
  /** The place in the messages that wait. */
  #bodyCursor = '0';
  /** The lanes of the round before, and those of this one. */
  #before = new Map<string, SeenLane>();
  #seen = new Map<string, SeenLane>();

  /** @param leaseMs of the worker. A lane is left alone until its head has not changed for this time */
  constructor(context: QueueContext, worker: string, leaseMs: number, onRefused: TaskRefused) {
    this.#context = context;
    this.#worker = worker;
    this.#leaseMs = leaseMs;
    const options = {
      name: 'ordering keys whose message has vanished',
      intervalMs: SWEEP_INTERVAL_MS,
      connection: context.connection,
      onRefused,
    };
    this.#task = new PeriodicTask(options, () => this.#sweep());
    this.#task.startTask();
  }

  /** Leaves the sweeping to another worker. */
  async stopSweeping(): Promise<void> {
    await this.#task.stopTask();
    const { connection, keys } = this.#context;
    if (!connection.isConnected) return;
    try {
      if ((await this.#send('get', [keys.laneSweep])) === this.#worker)
        await this.#send('del', [keys.laneSweep]);
    } catch {
      // This is best effort: the key has a TTL.
    }
  }

  /** @returns time until the next sweep, ms */
  async #sweep(): Promise<number> {
    if (!(await this.#hasTurn())) {
      this.#before.clear();
      this.#seen.clear();
      return TURN_MS;
    }
    const { lanes, laneBodies } = this.#context.keys;
    if ((await this.#send('exists', [lanes, laneBodies])) === 0) return IDLE_INTERVAL_MS;
    await this.#rebuildSome();
    const count = Number(await this.#send('hlen', [lanes]));
    await this.#healSome(Math.max(LANES_PER_CALL, Math.ceil(count / SWEEPS_PER_ROUND)));
    return SWEEP_INTERVAL_MS;
  }

  /** Whether it is this worker that sweeps. */
  async #hasTurn(): Promise<boolean> {
    const { laneSweep } = this.#context.keys;
    if ((await this.#send('set', [laneSweep, this.#worker, 'NX', 'PX', TURN_MS])) !== null) return true;
    if ((await this.#send('get', [laneSweep])) !== this.#worker) return false;
    await this.#send('pexpire', [laneSweep, TURN_MS]);
    return true;
  }

  /**
   * Looks at some of the messages that wait; at all of the others, too, when a lane does not know its own.
   */
  async #rebuildSome(): Promise<void> {
    const { connection, keys } = this.#context;
    let found = 0;
    do {
      const call = scripts.rebuildLanes(keys, { cursor: this.#bodyCursor, count: LANES_PER_CALL });
      const [cursor, more] = (await runScript(connection.client, call)) as [string, number];
      this.#bodyCursor = cursor;
      found += more;
    } while (found > 0 && this.#bodyCursor !== '0');
  }

  async #healSome(count: number): Promise<void> {
    const { keys, connection } = this.#context;
    const answer = await this.#send('hscan', [keys.lanes, this.#cursor, 'COUNT', count]);
    const [cursor, lanes] = answer as [string, string[]];
    const suspects: { key: string; text: string }[] = [];
    for (const [key, text] of pairsOf(lanes)) {
      if (key !== '' && this.#isSuspect(key, text)) suspects.push({ key, text });
    }
    for (let start = 0; start < suspects.length; start += LANES_PER_CALL) {
      const some = suspects.slice(start, start + LANES_PER_CALL);
      await runScript(connection.client, scripts.healLanes(keys, { group: GROUP, suspects: some }));
    }
    this.#cursor = cursor;
    if (cursor !== '0') return;
    this.#before = this.#seen;
    this.#seen = new Map();
  }

  /** Whether the head of the lane has not changed since the round before, and for a lease. */
  #isSuspect(key: string, text: string): boolean {
    const head = headOf(text);
    const known = this.#before.get(key);
    const now = performance.now();
    const isSame = known?.head === head;
    const since = isSame ? known.since : now;
    this.#seen.set(key, { head, since });
    return isSame && now - since >= this.#leaseMs;
  }

  #send(command: string, args: (string | number)[]): Promise<unknown> {
    return send(this.#context.connection.client, command, args);
  }
}
