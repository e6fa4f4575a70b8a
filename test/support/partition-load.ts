import { ElkMqRecordBuilder, type ElkMqClient, type ElkMqContext } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { expect } from 'vitest';
import { partitionNames, partitionOf } from '../../libs/elkmq/src/model/partitions.js';
import { asAdmin } from '../../scripts/redis-cluster.js';
import type { PrivateRedis } from '../../scripts/redis.js';
import { shardOf } from './cluster.js';
import { until } from './queue.js';

/** The number of partitions of the queues and topics under this load. */
export const PARTITIONS = 8;
/** The ordering keys of the load. They lead to all partitions. */
export const KEYS = Array.from({ length: 16 }, (_, n) => `customer-${String(n)}`);

export function emitted(client: ElkMqClient, pattern: string, data: unknown): Promise<unknown> {
  return lastValueFrom(client.emit(pattern, data), { defaultValue: undefined });
}

/** The partitions of a queue or topic that have their master there. */
export async function partitionsOf(
  servers: readonly PrivateRedis[],
  server: PrivateRedis,
  name: string,
): Promise<number[]> {
  const names = partitionNames(name, PARTITIONS);
  const masters = await Promise.all(names.map(async (each) => (await shardOf(servers, `{${each}}`)).master));
  return names.flatMap((_, index) => (masters[index] === server ? [index] : []));
}

export async function setFullCoverage(servers: readonly PrivateRedis[], value: 'yes' | 'no'): Promise<void> {
  await Promise.all(
    servers.map((server) =>
      asAdmin(server, (admin) => admin.config('SET', 'cluster-require-full-coverage', value)),
    ),
  );
}

/** The master of partition 0, its replica, and the keys of all its partitions. */
export async function pickShard(servers: readonly PrivateRedis[], name: string) {
  const { master, replica } = await shardOf(servers, `{${name}}`);
  const partitions = await partitionsOf(servers, master, name);
  const isThere = (key: string): boolean => partitions.includes(partitionOf(key, PARTITIONS));
  const [keys, others] = [KEYS.filter(isThere), KEYS.filter((key) => !isThere(key))];
  expect(keys.length).toBeGreaterThan(0);
  expect(others.length).toBeGreaterThan(0);
  return { master, replica: replica as PrivateRedis, partitions, keys, others };
}

/** What handlers have seen: the numbers of each ordering key, in the order of their first attempts. */
export class Seen {
  readonly ofKey = new Map<string, number[]>();
  readonly plain = new Set<number>();
  readonly overlaps: string[] = [];
  /** The messages that came again. They count the first time. */
  readonly repeats: string[] = [];
  readonly #running = new Map<string, number>();

  async note(n: number, context: ElkMqContext): Promise<void> {
    const key = context.getOrderingKey();
    if (key === undefined) {
      if (this.plain.has(n)) this.repeats.push(`plain ${String(n)}`);
      this.plain.add(n);
      return;
    }
    if (this.#running.has(key) && this.#running.get(key) !== n) this.overlaps.push(key);
    this.#running.set(key, n);
    await new Promise((resolve) => setImmediate(resolve));
    this.#running.delete(key);
    const numbers = this.ofKey.get(key) ?? [];
    if (numbers.includes(n)) this.repeats.push(`${key} ${String(n)}`);
    else this.ofKey.set(key, [...numbers, n]);
  }

  /** Waits until everything was seen that is there. */
  async sees({ plain, ofKey }: Stored): Promise<void> {
    await until(() => plain.every((n) => this.plain.has(n)));
    for (const [key, numbers] of ofKey)
      await until(() => numbers.every((n) => this.ofKey.get(key)?.includes(n) === true));
  }

  /** The messages with each key have come in their order, one at a time. */
  expectOrder(): void {
    for (const numbers of this.ofKey.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(this.overlaps).toEqual([]);
  }
}

/** The numbers of events that were stored: those without a key, and those of each key. */
export interface Stored {
  readonly plain: readonly number[];
  readonly ofKey: ReadonlyMap<string, readonly number[]>;
}

/** Sends events with each key one after the other, and events without a key, until it is told to stop. */
export class Senders {
  /** The events that were stored. */
  readonly stored = new Map<string, number[]>(KEYS.map((key) => [key, []]));
  readonly plain: number[] = [];
  readonly failures: unknown[] = [];
  readonly keyedFailures: string[] = [];
  #isOver = false;
  readonly #all: Promise<void>[];

  constructor(private readonly client: ElkMqClient) {
    this.#all = [...KEYS.map((key) => this.#sendKeyed(key)), this.#sendPlain()];
  }

  count(): number {
    return this.plain.length + [...this.stored.values()].flat().length;
  }

  /** What was stored until now, or since something was. */
  storedSince(earlier?: Stored): Stored {
    return {
      plain: this.plain.slice(earlier?.plain.length),
      ofKey: new Map(KEYS.map((key) => [key, this.#ofKey(key).slice(earlier?.ofKey.get(key)?.length)])),
    };
  }

  async stores(count: number): Promise<void> {
    const before = this.count();
    await until(() => this.count() >= before + count);
  }

  /** Waits until so many more events of each of these keys are stored. */
  async storesOf(keys: readonly string[], count: number): Promise<void> {
    const counts = new Map(keys.map((key) => [key, this.#ofKey(key).length]));
    await until(() => keys.every((key) => this.#ofKey(key).length >= Number(counts.get(key)) + count));
  }

  async end(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#all);
  }

  #ofKey(key: string): number[] {
    return this.stored.get(key) as number[];
  }

  async #sendKeyed(key: string): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      try {
        await emitted(this.client, 'note', new ElkMqRecordBuilder(n).setOrderingKey(key).build());
        this.#ofKey(key).push(n);
      } catch {
        this.keyedFailures.push(key);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  async #sendPlain(): Promise<void> {
    for (let n = 0; !this.#isOver; n++) {
      try {
        await emitted(this.client, 'note', n);
        this.plain.push(n);
      } catch (error) {
        this.failures.push(error);
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Everything that was to be stored was stored, and was handled once, in the order of its key. */
export async function expectAllHandled(seen: Seen, senders: Senders): Promise<void> {
  expect([...senders.failures, ...senders.keyedFailures]).toEqual([]);
  await seen.sees(senders.storedSince());
  for (const key of KEYS) expect(seen.ofKey.get(key)).toEqual(senders.stored.get(key));
  expect(seen.overlaps).toEqual([]);
  expect(seen.repeats).toEqual([]);
}
