import { expect } from 'vitest';
import type { Answered } from '../processes/interop-client.js';
import { hasPayload, messageOf, type Message } from '../processes/interop-messages.js';
import type { Taken } from '../processes/interop-worker.js';
import { TestProcess } from '../support/processes.js';
import { redis, until, url } from '../support/queue.js';
import { texts, type Original, type OriginalProcess, type TakenByOriginal } from './original.js';

/** The timeout of the messages of the tests, seconds. */
export const TIMEOUT = 30;
/** Of each kind of message, in one process. */
const PROCESSES = 2;

/** Who sends; `each` process sends so many of each kind. */
export interface Senders {
  readonly nest: boolean;
  readonly originals: readonly Original[];
  readonly each: number;
  readonly legacyConsumers: boolean;
}

/** A message that one process sent or took, as text that can be compared: its kind and its data. */
type Note = string;

export function noteOf(action: string, data: unknown): Note {
  if (data === null || data === undefined) return `${action} without payload`;
  // Every second event of the original carries text that is not JSON: `#ID TEXT`.
  const text = typeof data === 'string' ? data : `#${String((data as Message).id)} ${(data as Message).text}`;
  return `${action} ${text}`;
}

/** Has two processes of each sender, and of each kind of message, send at the same time; every request must be answered. @returns what was sent */
export async function sendAll(queue: string, senders: Senders): Promise<Note[]> {
  const { nest, originals, each, legacyConsumers } = senders;
  let next = 0;
  const firsts = (): number[] => Array.from({ length: PROCESSES }, () => each * next++);
  const ofNest = nest ? firsts() : [];
  const ofOriginals = originals.flatMap((original) => firsts().map((first) => ({ original, first })));
  const mode = legacyConsumers ? 'legacy' : '';
  const clients = await Promise.all(
    ofNest.map(() => TestProcess.start('interop-client', url, queue, `${TIMEOUT}000`, mode)),
  );
  for (const [index, client] of clients.entries())
    client.tell(JSON.stringify({ first: ofNest[index], count: each, texts }));
  const answers = await Promise.all([
    ...clients.map((client) => client.told<Answered>('answered')),
    ...ofOriginals.map(({ original, first }) => original.request(queue, first, each, TIMEOUT)),
    ...ofOriginals.map(async ({ original, first }) => original.produce(queue, first, each, TIMEOUT)),
  ]);
  const requesters = answers.filter((answer) => answer !== undefined);
  expect(requesters).toEqual(requesters.map(() => ({ answered: each, problems: [] })));
  await Promise.all(clients.map((client) => client.stop()));
  const notesOf = (first: number, empty: unknown): Note[] =>
    Array.from({ length: each }, (_, n) => messageOf(first + n, texts)).flatMap((message) => [
      noteOf('ask', message),
      noteOf('note', hasPayload(message.id) ? message : empty),
    ]);
  return [
    ...ofNest.map((first) => notesOf(first, '')),
    ...ofOriginals.map(({ first }) => notesOf(first, null)),
  ].flat();
}

/** Waits until all that was sent is in somebody's hands. */
export async function allTaken(queue: string): Promise<void> {
  const isIdle = async (): Promise<boolean> => {
    const pending: unknown = await redis.xpending(`${queue}(event_stream)`, 'elkmq').catch(() => [0]);
    return (await redis.llen(`${queue}(message_queue)`)) === 0 && (pending as number[])[0] === 0;
  };
  await until(isIdle, 60_000);
  // Workers look once a second for ids that came late to the list.
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  await until(isIdle, 60_000);
}

export function startWorker(queue: string, legacyConsumers: boolean): Promise<TestProcess> {
  return TestProcess.start('interop-worker', url, queue, legacyConsumers ? 'legacy' : '');
}

/** Ends a Nest worker. @returns what it took */
export async function endWorker(worker: TestProcess): Promise<Note[]> {
  worker.tell('end');
  const { events, requests } = await worker.told<Taken>('events');
  await worker.stop();
  return [...events.map((data) => noteOf('note', data)), ...requests.map((data) => noteOf('ask', data))];
}

/** Ends a server of the original. @returns what it took */
export async function endOriginal(server: OriginalProcess<TakenByOriginal>): Promise<Note[]> {
  const taken = await server.stop();
  expect(taken.filter(({ problem }) => problem !== null)).toEqual([]);
  return taken.map(({ action, payload }) => {
    if (payload === null || payload.startsWith('#')) return noteOf(action, payload);
    return noteOf(action, JSON.parse(payload) as unknown);
  });
}

/** Each message that was sent was taken once. */
export function expectEachOnce(sent: Note[], taken: Note[]): void {
  const count = new Map<Note, number>();
  for (const note of sent) count.set(note, (count.get(note) ?? 0) + 1);
  for (const note of taken) count.set(note, (count.get(note) ?? 0) - 1);
  const wrong = [...count]
    .filter(([, difference]) => difference !== 0)
    .map(([note, difference]) => `${difference > 0 ? 'missing' : 'twice'}: ${note.slice(0, 80)}`);
  expect(wrong).toEqual([]);
  expect(taken).toHaveLength(sent.length);
}

/** Live workers have these keys: their entries in the list, the turn to sweep lanes, and the rates, which stay 48 hours. */
const OF_LIVE_WORKERS = ['workers', 'lane_sweep', 'rates'];

/**
 * When its time has passed nothing is left in any key of the queue that holds messages. Somebody of this package must
 * be there to take it away.
 */
export async function expectNothingLeft(queue: string): Promise<void> {
  const left = async (): Promise<Record<string, number>> => {
    const lengths: Record<string, number> = {};
    for (const key of await redis.keys(`${queue}(*`)) {
      if (OF_LIVE_WORKERS.some((name) => key === `${queue}(${name})`)) continue;
      const type = await redis.type(key);
      const length = type === 'stream' ? await redis.xlen(key) : 1;
      if (length > 0) lengths[key.slice(queue.length)] = length;
    }
    return lengths;
  };
  await until(async () => Object.keys(await left()).length === 0, (TIMEOUT + 20) * 1_000).catch(
    () => undefined,
  );
  expect(await left()).toEqual({});
}
