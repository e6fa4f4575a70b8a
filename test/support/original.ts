import { lastValueFrom } from 'rxjs';
import type { ElkMqClientOptions, ElkMqServerOptions } from 'nestjs-elkmq';
import { hyphenated } from '../../libs/elkmq/src/model/request-ids.js';
import { events, moduleOf, startApp, startClient } from './nest.js';
import { redis, until } from './queue.js';

/* Original clients are imitated here, command by command. Beside the real ones: test/interop. */

let uuids = 1_000;

/** An event as the original has it. */
export function eventJson(action: string, payload: string | null = null, timeout = 60): string {
  return `{"request_uuid":${String(uuids++)},"timeout":${String(timeout)},"action":"${action}","payload":${JSON.stringify(payload)}}`;
}

interface OriginalEvent {
  readonly request_uuid: number;
  readonly timeout: number;
  readonly action: string;
  readonly payload: string | null;
}

/** Takes an event as the original does. @returns its text as well, which has the whole uuid */
export async function dequeueAsTheOriginal(
  queue: string,
): Promise<(OriginalEvent & { text: string }) | undefined> {
  const id = await redis.rpop(`${queue}(message_queue)`);
  if (id === null) return undefined;
  const [entry] = await redis.xrange(`${queue}(event_stream)`, id, id);
  if (!entry) throw new Error('unexpected empty value in stream');
  const text = entry[1][entry[1].indexOf('event') + 1] ?? '';
  return { ...(JSON.parse(text) as OriginalEvent), text };
}

/** Answers as the original does. @param id of the entry that has the response */
export async function respondAsTheOriginal(
  queue: string,
  text: string,
  payload: string,
  id = '*',
): Promise<void> {
  const [, uuid = ''] = /^\{"request_uuid":(\d+)/.exec(text) ?? [];
  const response = `{"request_uuid":${uuid},"timeout":2,"action":"answer","payload":${JSON.stringify(payload)}}`;
  const body = String(await redis.xadd(`${queue}(event_stream)`, id, 'response', response));
  await redis.xadd(`${queue}(response_stream)`, '*', hyphenated(uuid), body);
}

export const listOf = (queue: string) => redis.lrange(`${queue}(message_queue)`, 0, -1);
export const pendingIn = async (queue: string) =>
  ((await redis.xpending(`${queue}(event_stream)`, 'elkmq')) as [number])[0];

export function newClient(queue: string, options: Partial<ElkMqClientOptions> = {}) {
  return startClient({ queue, legacyConsumers: true, ...options });
}

/** A Nest worker that notes the data of every `note`. */
export async function startTaker(
  queue: string,
  options: Partial<ElkMqServerOptions> = {},
): Promise<unknown[]> {
  const taken: unknown[] = [];
  const handlers = moduleOf(events({ note: (data) => taken.push(data) }));
  await startApp(handlers, { queue, legacyConsumers: true, ...options });
  return taken;
}

export const emitted = (client: ReturnType<typeof startClient>, data: unknown) =>
  lastValueFrom(client.emit('note', data), { defaultValue: undefined });

/** The queue's keys and how much is in them, when nothing is to be left. */
export async function expectNothingLeft(queue: string): Promise<void> {
  await until(async () => {
    const streams = await Promise.all(
      ['event_stream', 'response_stream'].map((name) => redis.xlen(`${queue}(${name})`)),
    );
    const others = ['message_queue', 'leftovers', 'history'].map((name) => `${queue}(${name})`);
    return Math.max(...streams) === 0 && (await redis.exists(others)) === 0;
  });
}
