import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FlowControl } from '../../libs/elkmq/src/consumer/flow-control.js';
import { Slots } from '../../libs/elkmq/src/consumer/slots.js';

const CONCURRENCY = 256;
const LEASE_MS = 30_000;
/** More than the handlers of one read may keep the processor. */
const SLOW_MS = 21;

let nowMs = 0;
beforeEach(() => {
  vi.spyOn(performance, 'now').mockImplementation(() => nowMs);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** The reads of one worker, which has `taken` messages in hand. */
function readsOf(taken = 0) {
  const slots = new Slots(CONCURRENCY);
  const user = { countInHand: () => ({ taken, confirming: 0 }), asked: 0, wakeReader: () => undefined };
  const control = new FlowControl(slots, LEASE_MS, user);
  return {
    /** The size of the next read. */
    size: () => control.forRead(0),
    /** One read, while so many messages wait. Their handlers keep the processor for `keptMs`. */
    async read(waiting: number, keptMs = 0): Promise<void> {
      const asked = control.forRead(0);
      const count = Math.min(waiting, asked);
      control.adapt(count, asked);
      nowMs += keptMs;
      await setImmediate();
    },
  };
}

/** Reads while many messages wait, until reads are as large as they become. */
async function readBacklog(reads: ReturnType<typeof readsOf>): Promise<void> {
  for (let read = 0; read < 10; read++) await reads.read(1_000);
}

it('a worker asks for 8 messages again when few come', async () => {
  const reads = readsOf();
  await readBacklog(reads);
  expect(reads.size()).toBe(128);
  await reads.read(100);
  expect(reads.size()).toBe(100);
  await reads.read(1);
  expect(reads.size()).toBe(8);
});

it('a worker asks for 8 messages when its handlers keep the processor', async () => {
  const reads = readsOf();
  await readBacklog(reads);
  await reads.read(128, SLOW_MS);
  expect(reads.size()).toBe(8);
  await reads.read(128, SLOW_MS);
  expect(reads.size()).toBe(8);
});

it('a worker reads one message at a time until it has seen its handlers, and after one of an eighth of its lease', async () => {
  const reads = readsOf();
  expect(reads.size()).toBe(1);
  await reads.read(1);
  expect(reads.size()).toBe(8);
  await reads.read(8, LEASE_MS / 8 + 1);
  expect(reads.size()).toBe(1);
});

it('a read asks for no more than the free slots', async () => {
  const reads = readsOf(CONCURRENCY - 3);
  await reads.read(1);
  expect(reads.size()).toBe(3);
});
