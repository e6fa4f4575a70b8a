import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CLUSTER_HOST } from '../../scripts/redis-cluster.js';
import { finish, isWithoutFault, type CampaignOptions, type CampaignResult } from '../faults/campaign.js';
import { Checker } from '../faults/checker.js';
import { readFacts } from '../faults/facts.js';
import { PROCESS_FAULTS } from '../faults/kinds.js';
import { Lives } from '../faults/lives.js';
import { Load } from '../faults/load.js';
import { HELD_UP, Member } from '../faults/member.js';
import { Schedule } from '../faults/schedule.js';
import { Random } from '../random.js';
import { ChaosCluster } from './chaos-cluster.js';
import { CLUSTER_FAULTS } from './kinds.js';
import { ClusterNetwork } from './network.js';
import { Setbacks, type Snapshot } from './setbacks.js';

const QUEUE = 'chaos';
const PARTITIONS = 8;
const WORKERS = 4;
const CLIENTS = 3;
/** Of each role so many have a network that can fail. */
const PROXIED = 2;
/** When nothing breaks any more, everything is handled within this, ms. */
const SETTLING_MS = 90_000;
/** How often the run looks whether everything is handled, ms. */
const LOOK_MS = 200;

/** What a run consists of. */
interface Scene {
  readonly folder: string;
  readonly cluster: ChaosCluster;
  readonly networks: readonly ClusterNetwork[];
  readonly workers: readonly Member[];
  readonly clients: readonly Member[];
}

/** One run with a queue that has partitions: breaks a Cluster and processes while messages flow, and checks each message. */
export async function runPartitionedCampaign(
  options: CampaignOptions,
  say: (what: string) => void,
): Promise<CampaignResult> {
  const scene = await start(options);
  let isClean = false;
  try {
    const result = await run(options, scene, say);
    isClean = isWithoutFault(result);
    return isClean ? result : { ...result, folder: scene.folder };
  } finally {
    for (const member of [...scene.workers, ...scene.clients]) member.kill();
    await Promise.all(scene.networks.map((network) => network.close()));
    await scene.cluster.stop();
    if (isClean) await rm(scene.folder, { recursive: true });
  }
}

async function start({ seed, delivery, messages }: CampaignOptions): Promise<Scene> {
  const folder = await mkdtemp(join(tmpdir(), 'elkmq-chaos-partitions-'));
  const cluster = await ChaosCluster.start(QUEUE, PARTITIONS);
  const servers = cluster.nodes.map(({ server }) => server);
  const random = new Random(seed);
  const before = () => ClusterNetwork.before(servers, random);
  const networks = await Promise.all(Array.from({ length: 2 * PROXIED }, before));
  const free = [...networks];
  const direct = { nodes: servers.map(({ port }) => ({ host: CLUSTER_HOST, port })), natMap: {} };
  const member = (role: Member['role'], slot: number, step: number) => {
    const network = slot < PROXIED ? free.pop() : undefined;
    const { nodes, natMap } = network ?? direct;
    const address = { url: '', cluster: { nodes, natMap, partitions: PARTITIONS } };
    const given = { seed, isOrdered: true, queue: QUEUE, folder, delivery, step, end: messages, ...address };
    return new Member(role, slot, given, network);
  };
  const workers = Array.from({ length: WORKERS }, (_, slot) => member('worker', slot, 1));
  const clients = Array.from({ length: CLIENTS }, (_, slot) => member('client', slot, CLIENTS));
  return { folder, cluster, networks, workers, clients };
}

async function run(
  { seed, delivery, duration, pause }: CampaignOptions,
  { folder, cluster, workers, clients }: Scene,
  say: (what: string) => void,
): Promise<CampaignResult> {
  const begin = performance.now();
  const members = [...workers, ...clients];
  await Promise.all(members.map(({ ready }) => ready));
  const snapshots: Snapshot[] = [];
  const targets = { cluster, snapshots, workers, clients, random: new Random(seed) };
  const schedule = new Schedule(targets, { alone: CLUSTER_FAULTS, together: PROCESS_FAULTS }, pause);
  const breaking = schedule.run((kind) => {
    say(`${((performance.now() - begin) / 1_000).toFixed(1).padStart(7)} s  ${kind}`);
  });

  const sent = Promise.all(clients.map(({ ended }) => ended));
  const enough = new AbortController();
  await Promise.race([sent, breaking, sleep(duration, undefined, { signal: enough.signal, ref: false })]);
  enough.abort();
  schedule.stop();
  await breaking;
  say('nothing breaks any more');
  await finish(clients, sent);
  const deadline = performance.now() + SETTLING_MS;
  while ((await cluster.unfinished()) > 0 && performance.now() < deadline) await sleep(LOOK_MS);
  await Promise.all(workers.map((worker) => worker.stop()));

  const { letters, leftoverKeys } = await cluster.readRemains();
  const records = members.flatMap((member) => member.lives);
  const heldUp = records.flatMap((life) => life.disturbances).filter(({ why }) => why === HELD_UP).length;
  const load = new Load(seed, true, true);
  const facts = readFacts(folder);
  const setbacks = new Setbacks(snapshots, load, PARTITIONS, facts);
  const lives = new Lives(records);
  const verdict = new Checker(load, delivery, lives, setbacks).check(facts, letters);
  const crashes = lives.crashes();
  const seconds = Math.round((performance.now() - begin) / 1_000);
  return { delivery, seed, seconds, ...verdict, leftoverKeys, crashes, heldUp, faults: schedule.counts };
}
