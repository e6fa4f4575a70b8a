import { lastValueFrom } from 'rxjs';
import { ElkMqServer, type ElkMqClient, type ElkMqContext, type ElkMqServerOptions } from 'nestjs-elkmq';
import { TestProcess } from './processes.js';
import { listening } from './nest.js';
import { redis, until, url } from './queue.js';

export const LEASE = 1_000;

export type Handler = (payload: unknown, context: ElkMqContext) => Promise<unknown>;

/** A worker of this process. */
export async function startWorker(
  options: ElkMqServerOptions,
  handlers: Record<string, Handler> = {},
  extras: Record<string, unknown> = {},
): Promise<ElkMqServer> {
  const address = options.redis === undefined ? { url } : {};
  const server = new ElkMqServer({ ...address, lease: LEASE, ...options });
  for (const [pattern, handler] of Object.entries(handlers)) {
    server.addHandler(pattern, handler, pattern.endsWith('event'), extras);
  }
  return listening(server);
}

/** A worker of a process of its own, which can be killed. */
export function startDoomed(options: ElkMqServerOptions): Promise<TestProcess> {
  return TestProcess.start('leased-worker', JSON.stringify({ url, lease: LEASE, ...options }));
}

/** Waits until the lease of the message that is pending was renewed so many times. */
export async function renewals(queue: string, times: number): Promise<void> {
  let seen = 0;
  let before = 0;
  await until(async () => {
    const [[, , idle] = ['', '', 0]] = (await redis.xpending(
      `${queue}(event_stream)`,
      'elkmq',
      '-',
      '+',
      1,
    )) as [string, string, number][];
    if (idle < before) seen++;
    before = idle;
    return seen >= times;
  });
}

export async function ask(client: ElkMqClient, pattern: string, payload: unknown): Promise<unknown> {
  return lastValueFrom(client.send<unknown>(pattern, payload), { defaultValue: undefined });
}
