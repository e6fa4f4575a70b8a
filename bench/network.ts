import { spawnSync } from 'node:child_process';
import type { Addresses } from './addresses.js';
import { NotHereError } from './not-here.js';

type Place = 'client' | 'worker';

const NO_NETWORK = 'Nothing is measured over a network, this machine does not allow it';
/** Packets that may be under way at once in one direction; more would be dropped. */
const MOST_PACKETS = 100_000;

/**
 * A network of three: clients and workers each have a network namespace, and the broker is in that of this process. Each
 * sends through an interface that keeps each packet for `delayMs`, so a packet takes so long between any two of them.
 */
export class Network implements Addresses {
  readonly broker: string;
  readonly worker: string;
  private readonly bridge: string;

  private constructor(private readonly id: number) {
    // One of 254, so that two runs seldom meet.
    const net = `10.203.${(id % 254) + 1}`;
    this.broker = `${net}.1`;
    this.worker = `${net}.3`;
    this.bridge = `elkbr${id}`;
  }

  /**
   * @param delayMs of each packet, ms; 0 makes the network without a delay
   * @throws {NotHereError} when the machine does not allow it
   */
  static start(delayMs: number): Network {
    const network = new Network(process.pid);
    try {
      network.make(delayMs);
      return network;
    } catch (error) {
      network.stop();
      throw error;
    }
  }

  /** What has to stand before a command that shall run there. */
  commandAt(place: Place): string[] {
    return ['ip', 'netns', 'exec', this.nameOf(place)];
  }

  stop(): void {
    for (const place of ['client', 'worker'] as const) attempt('ip', 'netns', 'del', this.nameOf(place));
    attempt('ip', 'link', 'del', this.bridge);
  }

  private make(delayMs: number): void {
    run('ip', 'link', 'add', this.bridge, 'type', 'bridge');
    run('ip', 'addr', 'add', `${this.broker}/24`, 'dev', this.bridge);
    run('ip', 'link', 'set', this.bridge, 'up');
    for (const [place, host] of [
      ['client', 2],
      ['worker', 3],
    ] as const) {
      const [name, port] = [this.nameOf(place), `elk${place.slice(0, 1)}${this.id}`];
      run('ip', 'netns', 'add', name);
      run('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name);
      run('ip', 'link', 'set', port, 'master', this.bridge, 'up');
      run('ip', '-n', name, 'addr', 'add', `${this.broker.replace(/\d+$/, String(host))}/24`, 'dev', 'eth0');
      run('ip', '-n', name, 'link', 'set', 'eth0', 'up');
      run('ip', '-n', name, 'link', 'set', 'lo', 'up');
      if (delayMs > 0) run('tc', '-n', name, ...delay('eth0', delayMs));
    }
    if (delayMs > 0) run('tc', ...delay(this.bridge, delayMs));
  }

  private nameOf(place: Place): string {
    return `elkmq-bench-${place}-${this.id}`;
  }
}

function delay(device: string, delayMs: number): string[] {
  const netem = ['netem', 'delay', `${delayMs}ms`, 'limit', String(MOST_PACKETS)];
  return ['qdisc', 'add', 'dev', device, 'root', ...netem];
}

function run(command: string, ...args: string[]): void {
  const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (error) throw new NotHereError(`${NO_NETWORK}: ${command} is not installed`);
  if (status !== 0)
    throw new NotHereError(`${NO_NETWORK}: ${[command, ...args].join(' ')}: ${stderr.trim()}`);
}

/** What was not made cannot be deleted. */
function attempt(command: string, ...args: string[]): void {
  spawnSync(command, args, { stdio: 'ignore' });
}
