import { setTimeout as sleep } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { startRedis, type PrivateRedis } from './redis.js';

/** The masters of a Redis Cluster that belongs to this process. */
export interface PrivateCluster {
  readonly nodes: readonly PrivateRedis[];
  /** A new client of the cluster. It connects when it is used. */
  connect(): Cluster;
  stop(): Promise<void>;
}

export const CLUSTER_HOST = '127.0.0.1';
export const SLOTS = 16_384;

/** The arguments of a server that becomes a part of a cluster. */
export const CLUSTER_ARGS = ['--cluster-enabled', 'yes', '--cluster-announce-ip', CLUSTER_HOST];

/** A guard against a move of a key that hangs, ms. */
const MIGRATE_TIMEOUT_MS = 60_000;

/** Starts masters without replicas. */
export async function startRedisCluster(masters: number): Promise<PrivateCluster> {
  const nodes = await Promise.all(Array.from({ length: masters }, () => startRedis({ args: CLUSTER_ARGS })));
  await formCluster(nodes, masters);
  const [first] = nodes as [PrivateRedis];
  return {
    nodes,
    connect: () => new Cluster([{ host: CLUSTER_HOST, port: first.port }], { lazyConnect: true }),
    stop: async () => {
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

/**
 * Makes one cluster of servers. The first of them become masters. Each has one block of slots, and all blocks have the
 * same size. The others become replicas of the masters in turn.
 */
export async function formCluster(servers: readonly PrivateRedis[], masters: number): Promise<void> {
  const share = Math.ceil(SLOTS / masters);
  const slots = Array.from({ length: SLOTS }, (_, slot) => slot);
  const [first] = servers as [PrivateRedis];
  for (const [place, server] of servers.entries()) {
    await asAdmin(server, async (admin) => {
      if (place < masters)
        await admin.call('CLUSTER', 'ADDSLOTS', ...slots.slice(place * share, (place + 1) * share));
      if (place > 0) await admin.call('CLUSTER', 'MEET', CLUSTER_HOST, first.port);
    });
  }
  for (const server of servers) {
    await asAdmin(server, async (admin) => {
      while (!String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) await sleep(20);
    });
  }
  const replicas = servers.slice(masters);
  await Promise.all(
    replicas.map((server, index) => replicate(server, servers[index % masters] as PrivateRedis)),
  );
}

/** Makes a server a master without slots of the cluster of another server. Resolves when both know each other. */
export async function joinCluster(server: PrivateRedis, member: PrivateRedis): Promise<void> {
  await asAdmin(server, (admin) => admin.call('CLUSTER', 'MEET', CLUSTER_HOST, member.port));
  const id = await idOf(server);
  await asAdmin(member, async (admin) => {
    while (!String(await admin.call('CLUSTER', 'NODES')).includes(id)) await sleep(20);
  });
  await asAdmin(server, async (admin) => {
    while (!String(await admin.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) await sleep(20);
  });
}

async function replicate(server: PrivateRedis, master: PrivateRedis): Promise<void> {
  const id = await idOf(master);
  await asAdmin(server, async (replica) => {
    // It may not have heard of the master yet.
    while (!(await succeeds(replica.call('CLUSTER', 'REPLICATE', id)))) await sleep(20);
    while (!(await replica.info('replication')).includes('master_link_status:up')) await sleep(20);
  });
}

/**
 * Moves a slot from one master to another one, key by key, as `redis-cli --cluster reshard` does.
 * @param others the masters that have to hear of it too
 */
export async function moveSlot(
  slot: number,
  from: PrivateRedis,
  to: PrivateRedis,
  others: readonly PrivateRedis[],
): Promise<void> {
  await beginMove(slot, from, to);
  await endMove(slot, from, to, others);
}

/** Lets both servers know that a slot moves. Each of its keys is at one of them from now on. */
export async function beginMove(slot: number, from: PrivateRedis, to: PrivateRedis): Promise<void> {
  const [source, target] = [await idOf(from), await idOf(to)];
  await asAdmin(to, (admin) => admin.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', source));
  await asAdmin(from, (admin) => admin.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', target));
}

/** Moves the keys of a slot that is on its way, and then the slot: see `moveSlot`. */
export async function endMove(
  slot: number,
  from: PrivateRedis,
  to: PrivateRedis,
  others: readonly PrivateRedis[],
): Promise<void> {
  const target = await idOf(to);
  await asAdmin(from, async (admin) => {
    for (;;) {
      const [key] = (await admin.call('CLUSTER', 'GETKEYSINSLOT', slot, 1)) as string[];
      if (key === undefined) break;
      // A key that expires meanwhile is answered with NOKEY.
      await admin.call('MIGRATE', CLUSTER_HOST, to.port, key, 0, MIGRATE_TIMEOUT_MS);
    }
  });
  for (const server of [to, from, ...others]) {
    await asAdmin(server, (admin) => admin.call('CLUSTER', 'SETSLOT', slot, 'NODE', target));
  }
}

async function idOf(server: PrivateRedis): Promise<string> {
  return asAdmin(server, async (admin) => String(await admin.call('CLUSTER', 'MYID')));
}

function succeeds(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}

/** Runs `use` with a connection that no password concerns. */
export async function asAdmin<T>({ adminUrl }: PrivateRedis, use: (admin: Redis) => Promise<T>): Promise<T> {
  const admin = new Redis(adminUrl);
  // A call to a server that is away fails by itself. Without a listener ioredis would print each attempt.
  admin.on('error', () => undefined);
  try {
    return await use(admin);
  } finally {
    admin.disconnect();
  }
}
