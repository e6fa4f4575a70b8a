import { keysOfPartitions, partitionNames } from 'elkmq/internal';
import { Redis } from 'ioredis';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLUSTER_ARGS, formCluster, moveSlot } from '../../scripts/redis-cluster.js';
import { startRedis, type PrivateRedis } from '../../scripts/redis.js';
import { keysOf, readRemains, unfinished, type Letter, type Remains } from '../faults/remains.js';
import type { Snapshot } from './setbacks.js';

type State = 'waiting' | 'handed out' | 'dead letter';

const MASTERS = 3;
/** A server that is silent for so long counts as gone, ms. */
const NODE_TIMEOUT_MS = 2_000;
/** How often the run looks whether something has come true, ms. */
const LOOK_MS = 20;
/** CLUSTER FAILOVER gives up by itself after 5 s. */
const LOOKS_PER_TRY = 300;

/** A server, and the run's own connection to it. */
export interface Node {
  readonly server: PrivateRedis;
  readonly admin: Redis;
}

/** A master that serves slots, its replica, and the partitions that it has. */
export interface Shard {
  readonly master: Node;
  readonly replica: Node;
  readonly partitions: readonly number[];
}

/**
 * The Cluster of a run: three masters with a replica each, which change their roles. A replica takes over only when the
 * run tells it to, so the run can look first at what it has.
 */
export class ChaosCluster {
  private constructor(
    readonly nodes: readonly Node[],
    private readonly queue: string,
    readonly partitions: number,
  ) {}

  static async start(queue: string, partitions: number): Promise<ChaosCluster> {
    const roles = ['--cluster-replica-no-failover', 'yes', '--cluster-require-full-coverage', 'no'];
    const args = [...CLUSTER_ARGS, '--cluster-node-timeout', String(NODE_TIMEOUT_MS), ...roles];
    const servers = await Promise.all(Array.from({ length: 2 * MASTERS }, () => startRedis({ args })));
    await formCluster(servers, MASTERS);
    const nodes = servers.map((server) => {
      const admin = new Redis(server.adminUrl, {
        maxRetriesPerRequest: null,
        retryStrategy: () => 100,
        readOnly: true,
      });
      // Of a server that is down, which is what this is about.
      admin.on('error', () => undefined);
      return { server, admin };
    });
    return new ChaosCluster(nodes, queue, partitions);
  }

  async stop(): Promise<void> {
    for (const { admin } of this.nodes) admin.disconnect();
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
  }

  /** The masters, each with its replica. To be asked while nothing is broken. */
  async shards(): Promise<Shard[]> {
    const slots = partitionNames(this.queue, this.partitions);
    const shards = await Promise.all(
      this.nodes.map(async (master): Promise<Shard | undefined> => {
        const [role, , replicas] = (await master.admin.call('ROLE')) as [string, number, [string, string][]];
        const ports = role === 'master' ? replicas.map(([, port]) => Number(port)) : [];
        const replica = this.nodes.find(({ server }) => ports.includes(server.port));
        if (!replica) return undefined;
        const own = await this.#ownSlots(master);
        const isOwn = await Promise.all(
          slots.map(async (name) => own(Number(await master.admin.call('CLUSTER', 'KEYSLOT', `{${name}}`)))),
        );
        return { master, replica, partitions: slots.flatMap((_, index) => (isOwn[index] ? [index] : [])) };
      }),
    );
    return shards.filter((shard) => shard !== undefined);
  }

  /** Resolves when each master has a replica that is connected to it, and all know each other as healthy. */
  async whenWhole(): Promise<void> {
    while ((await this.shards()).length < MASTERS) await sleep(LOOK_MS);
    for (const { admin } of this.nodes) {
      while (!/role:master|master_link_status:up/.test(await admin.info('replication'))) await sleep(LOOK_MS);
      while (/,fail\?? /.test(String(await admin.call('CLUSTER', 'NODES')))) await sleep(LOOK_MS);
    }
  }

  /** Makes a replica the master, in one of the ways of CLUSTER FAILOVER. */
  async promote({ admin }: Node, ...how: 'TAKEOVER'[]): Promise<void> {
    for (let look = 0; !(await admin.info('replication')).includes('role:master'); look++) {
      // The handshake with a busy master may fail.
      if (look % LOOKS_PER_TRY === 0) await admin.call('CLUSTER', 'FAILOVER', ...how).catch(() => undefined);
      await sleep(LOOK_MS);
    }
  }

  /** Moves a partition to another master. */
  async movePartition(partition: number, from: Node, to: Node): Promise<void> {
    const [name] = partitionNames(this.queue, this.partitions).slice(partition);
    const slot = Number(await from.admin.call('CLUSTER', 'KEYSLOT', `{${String(name)}}`));
    const masters = (await this.shards()).map(({ master }) => master.server);
    await moveSlot(slot, from.server, to.server, masters);
  }

  /** Reads what a replica has, whose master is dead. */
  async readSnapshot({ admin }: Node, partitions: readonly number[], killedAt: number): Promise<Snapshot> {
    const messages = new Map<number, State>();
    const note = (texts: readonly string[], state: State): void => {
      for (const text of texts) messages.set(numberIn(text), state);
    };
    for (const partition of partitions) {
      const { eventStream, laneBodies, letterBodies } = keysOf(this.#prefixes()[partition] ?? '');
      const [group] = ((await admin.exists(eventStream)) ? await admin.xinfo('GROUPS', eventStream) : []) as [
        string[]?,
      ];
      const last = group?.[group.indexOf('last-delivered-id') + 1] ?? '0-0';
      const bodies = `${this.#prefixes()[partition] ?? ''}(delayed_bodies)`;
      note(await admin.hvals(letterBodies), 'dead letter');
      note(await admin.hvals(laneBodies), 'waiting');
      note(await admin.hvals(bodies), 'waiting');
      note(textsOf(await admin.xrange(eventStream, '-', last)), 'handed out');
      note(textsOf(await admin.xrange(eventStream, `(${last}`, '+')), 'waiting');
    }
    return { killedAt, tookOverAt: Date.now(), partitions: new Set(partitions), messages };
  }

  /** How many messages are not finished in all partitions. */
  async unfinished(): Promise<number> {
    let sum = 0;
    for (const { master, partitions } of await this.shards()) {
      for (const partition of partitions)
        sum += await unfinished(master.admin, this.#prefixes()[partition] ?? '');
    }
    return sum;
  }

  async readRemains(): Promise<Remains> {
    const letters = new Map<number, Letter>();
    const leftoverKeys: string[] = [];
    for (const { master, partitions } of await this.shards()) {
      for (const partition of partitions) {
        const remains = await readRemains(master.admin, this.#prefixes()[partition] ?? '', true);
        for (const [number, letter] of remains.letters) letters.set(number, letter);
        leftoverKeys.push(...remains.leftoverKeys);
      }
    }
    return { letters, leftoverKeys };
  }

  /** The beginning of the keys of each partition. */
  #prefixes(): string[] {
    return keysOfPartitions(this.queue, true, this.partitions).map(({ partitions }) =>
      partitions.replace('(partitions)', ''),
    );
  }

  async #ownSlots({ server, admin }: Node): Promise<(slot: number) => boolean> {
    const ranges = (await admin.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
    const own = ranges.filter(([, , [, port]]) => port === server.port);
    return (slot) => own.some(([from, to]) => slot >= from && slot <= to);
  }
}

function textsOf(entries: readonly [string, string[]][]): string[] {
  // A nudge has no message.
  return entries.map(([, fields]) => fields.join(' ')).filter((text) => /number/.test(text));
}

/** The number of the message in the text of an event, which may be JSON within JSON. */
function numberIn(text: string): number {
  return Number(/\bnumber[\\"]*:(\d+)/.exec(text)?.[1]);
}
