import { Proxy } from '../../test/support/proxy.js';
import type { Network } from '../faults/member.js';
import type { ClusterAddress } from '../faults/process-arguments.js';
import type { Random } from '../random.js';
import { CLUSTER_HOST } from '../../scripts/redis-cluster.js';
import type { PrivateRedis } from '../../scripts/redis.js';

/** The network between a process and the servers of a Cluster. It fails between the process and one server at a time. */
export class ClusterNetwork implements Network {
  readonly #proxies: readonly Proxy[];
  readonly #random: Random;
  readonly natMap: ClusterAddress['natMap'];

  private constructor(proxies: readonly Proxy[], servers: readonly PrivateRedis[], random: Random) {
    this.#proxies = proxies;
    this.#random = random;
    const entries = servers.map(({ port }, index) => {
      const network = { host: CLUSTER_HOST, port: Number(new URL(proxies[index]?.url ?? '').port) };
      return [`${CLUSTER_HOST}:${String(port)}`, network] as const;
    });
    this.natMap = Object.fromEntries(entries);
  }

  static async before(servers: readonly PrivateRedis[], random: Random): Promise<ClusterNetwork> {
    const proxies = await Promise.all(servers.map(({ url }) => Proxy.before(url)));
    return new ClusterNetwork(proxies, servers, random);
  }

  get nodes(): ClusterAddress['nodes'] {
    return Object.values(this.natMap);
  }

  /** The delay of the answers of all servers, ms. */
  get delay(): number {
    return Math.max(...this.#proxies.map(({ delay }) => delay));
  }

  set delay(delay: number) {
    for (const proxy of this.#proxies) proxy.delay = delay;
  }

  cut(): void {
    this.#one().cut();
  }

  silence(matches?: RegExp): void {
    this.#one().silence(matches);
  }

  truncateRequests(...loss: Parameters<Proxy['truncateRequests']>): void {
    this.#one().truncateRequests(...loss);
  }

  loseAnswers(...loss: Parameters<Proxy['loseAnswers']>): void {
    this.#one().loseAnswers(...loss);
  }

  async close(): Promise<void> {
    await Promise.all(this.#proxies.map((proxy) => proxy.close()));
  }

  /** One that is used, if there is one. */
  #one(): Proxy {
    const used = this.#proxies.filter(({ connections }) => connections > 0);
    return this.#random.pick(used.length > 0 ? used : this.#proxies);
  }
}
