import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { inject, onTestFinished } from 'vitest';

export const url = inject('redisUrl');

/** The version of Redis that the servers of the tests have; Valkey has that of the Redis that it goes back to. */
export const redisMajor = inject('redisMajor');

/** A client of the tests' own, to look at what is in Redis; it ends with the process, which runs many files. */
export const redis = new Redis(inject('adminUrl'));

/** A queue that no other test uses. */
export function newQueueName(): string {
  return `queue-${randomUUID()}`;
}

/**
 * All keys of a queue, with their types. Its rates are left out: they are told whenever somebody closes, and stay 48 hours. The
 * turn to sweep lanes is left out while a worker is there, who takes it a second after it has started.
 */
export async function keysOf(queue: string, client: Redis = redis): Promise<Record<string, string>> {
  const all = (await client.keys(`${queue}(*`)).sort();
  const hasWorkers = all.includes(`${queue}(workers)`);
  const keys = all.filter(
    (key) => key !== `${queue}(rates)` && !(hasWorkers && key === `${queue}(lane_sweep)`),
  );
  const types = await Promise.all(keys.map((key) => client.type(key)));
  return Object.fromEntries(keys.map((key, index) => [key.slice(queue.length), types[index] ?? 'none']));
}

/**
 * Closes `resource` when the test is over, whatever came of it. When the test has failed, nobody waits for that: handlers
 * may still wait for what the test has not come to.
 */
export function closing<T extends { close(): Promise<unknown> }>(resource: T): T {
  onTestFinished(async ({ task }) => {
    const closed = resource.close();
    if (task.result?.state === 'fail') closed.catch(() => undefined);
    else await closed;
  });
  return resource;
}

/** Waits until `condition` holds; fails after `timeoutMs` ms, which is a guard against hanging and fits a busy machine. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 60_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await condition())) {
    if (Date.now() > deadline)
      throw new Error(`still not so after ${String(timeoutMs)} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The error that `promise` rejects with. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('it did not reject');
}

/**
 * Makes an attempt until its failure has the reason: on a busy machine the first ones may end before Redis has refused.
 * @returns the failure that has it
 */
export async function failureWith(reason: RegExp, attempt: () => Promise<unknown>): Promise<unknown> {
  let failure: unknown;
  await until(async () => {
    failure = await rejection(attempt());
    return reason.test(String(failure));
  });
  return failure;
}

/** Redis cuts the connection of `client`. */
export async function killConnection(client: Redis): Promise<void> {
  const { localPort } = client.stream;
  await redis.client('KILL', 'ADDR', `127.0.0.1:${String(localPort)}`);
}
