import { setTimeout as sleep } from 'node:timers/promises';
import type { WaitingMessage } from './growth-report.js';
import { ask, emit, type RedisLoad, type Rig } from './growth-rig.js';
import { PAYLOAD } from './payload.js';

/** What it costs that something waits. */

/** Redis memory for each message that no worker has taken. */
export async function waitingMessage(rig: Rig, count: number): Promise<WaitingMessage> {
  const client = await rig.client('bench');
  const before = await rig.usedMemory();
  let left = count;
  await new Promise<void>((resolve, reject) => {
    const next = (): void => {
      emit(client, PAYLOAD)().subscribe({
        complete: () => (--left >= 1_000 ? next() : left === 0 && resolve()),
        error: reject,
      });
    };
    for (let i = 0; i < 1_000; i++) next();
  });
  const bytes = ((await rig.usedMemory()) - before) / count;
  await rig.clear();
  return { bytes, payload: JSON.stringify(PAYLOAD).length };
}

/** Bytes of heap for each request that waits for its reply. */
export async function waitingRequestHeap(rig: Rig, count: number): Promise<number> {
  const client = await rig.client('bench');
  const heap = (): number => {
    globalThis.gc?.();
    return process.memoryUsage().heapUsed;
  };
  const before = heap();
  for (let i = 0; i < count; i++) ask(client, PAYLOAD)().subscribe({ error: () => undefined });
  while ((await rig.direct.xlen('bench(event_stream)')) < count) await sleep(10);
  // The answers to the batches are being read.
  await sleep(200);
  const bytes = (heap() - before) / count;
  await rig.clear();
  return bytes;
}

/** What one client with one request that nobody answers adds to what Redis does when it is left alone. */
export async function waitingRequester(rig: Rig, ms: number): Promise<RedisLoad> {
  const alone = await rig.redisLoad(ms);
  const client = await rig.client('bench');
  ask(client, PAYLOAD)().subscribe({ error: () => undefined });
  while ((await rig.direct.xlen('bench(event_stream)')) === 0) await sleep(10);
  const waiting = await rig.redisLoad(ms);
  await rig.clear();
  return {
    commandsPerSecond: waiting.commandsPerSecond - alone.commandsPerSecond,
    redisCpu: waiting.redisCpu - alone.redisCpu,
  };
}
