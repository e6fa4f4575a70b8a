import { setTimeout as sleep } from 'node:timers/promises';
import type { Fault, Members } from '../faults/kinds.js';
import type { ChaosCluster, Shard } from './chaos-cluster.js';
import type { Snapshot } from './setbacks.js';

/** What there is to break. */
export interface ClusterTargets extends Members {
  readonly cluster: ChaosCluster;
  /** What each replica had that has taken over. */
  readonly snapshots: Snapshot[];
}

/** Longer than a command without an answer is waited for, which is 5 s. */
const SILENT_MS = { least: 5_500, most: 9_000 };
/** The time that a master is away before its replica takes over, ms. */
const AWAY_MS = 3_000;

/** Each ends when all masters have their replicas again. */
export const CLUSTER_FAULTS: Readonly<Record<string, Fault<ClusterTargets>>> = {
  'master: SIGKILL, its replica takes over, restart as replica': async (targets) => {
    const { cluster, workers, random, snapshots } = targets;
    const { master, replica, partitions } = await pickShard(targets);
    // Redis loses what they have settled last: they could as well not have settled it.
    const healed = workers.map((worker) => worker.disturb('failover'));
    await master.server.kill();
    const killedAt = Date.now();
    await sleep(random.between(0, AWAY_MS));
    snapshots.push(await cluster.readSnapshot(replica, partitions, killedAt));
    await cluster.promote(replica, 'TAKEOVER');
    for (const heal of healed) heal();
    await master.server.restart();
    await cluster.whenWhole();
  },
  'CLUSTER FAILOVER': async (targets) => {
    const { replica } = await pickShard(targets);
    await targets.cluster.promote(replica);
    await targets.cluster.whenWhole();
  },
  'master: SIGSTOP for longer than a command may take': async (targets) => {
    const { master } = await pickShard(targets);
    // It stops for longer than the short lease of this run.
    const healed = targets.workers.map((worker) => worker.disturb('master stopped'));
    process.kill(master.server.pid, 'SIGSTOP');
    await sleep(targets.random.between(SILENT_MS.least, SILENT_MS.most));
    process.kill(master.server.pid, 'SIGCONT');
    for (const heal of healed) heal();
    await targets.cluster.whenWhole();
  },
  'slots: moved to another master': async (targets) => {
    const { cluster, random } = targets;
    const from = await pickShard(targets);
    const others = (await cluster.shards()).filter(({ master }) => master !== from.master);
    for (const partition of from.partitions) {
      await cluster.movePartition(partition, from.master, random.pick(others).master);
    }
    await cluster.whenWhole();
  },
};

/** A master that has partitions. */
async function pickShard({ cluster, random }: ClusterTargets): Promise<Shard> {
  await cluster.whenWhole();
  const shards = await cluster.shards();
  return random.pick(shards.filter(({ partitions }) => partitions.length > 0));
}
