import { setImmediate as turn } from 'node:timers/promises';
import type { QueueState } from 'elkmq';
import { type MemoryBroker, MemoryWorker, type WorkerListener } from 'elkmq/internal';
import { ElkMqServer, type WorkerLike } from '../server/elk-mq.server.js';
import type { ElkMqServerOptions } from '../options.js';
import { serverOptions } from '../parsed-options.js';
import { refuseConnection } from './memory-requester.js';
import { parseStep } from './test-options.js';

/** The number of turns of the event loop in which the results of a change can come about. */
const TURNS = 20;

/** A server that takes its messages from memory. */
export class TestServer extends ElkMqServer {
  constructor(
    private readonly broker: MemoryBroker,
    private readonly given: ElkMqServerOptions,
  ) {
    super(given);
  }

  /** The patterns that the server has handlers for. */
  get patterns(): string[] {
    return [...this.messageHandlers.keys()];
  }

  protected override readState(): Promise<QueueState> {
    return Promise.resolve(this.broker.state());
  }

  protected override declareSchedules(): Promise<void> {
    return Promise.resolve();
  }

  protected override openWorker(listener: WorkerListener): WorkerLike {
    const worker = new MemoryWorker(this.broker, listener, serverOptions(this.given));
    return {
      get connection() {
        return refuseConnection();
      },
      countRunning: () => worker.inFlight.size,
      start: () => {
        worker.start();
        listener.status?.('connected');
        return Promise.resolve();
      },
      stop: async (drainTimeoutMs) => {
        const running = await worker.stop(drainTimeoutMs);
        listener.status?.('closed');
        return { running, unsettled: 0 };
      },
    };
  }
}

/**
 * Moves the clock of queues that have one clock. Messages come, each at its time.
 * @throws {InvalidOptionError}
 */
export async function advanceClock(brokers: readonly MemoryBroker[], milliseconds: number): Promise<void> {
  const end = (brokers[0]?.now ?? 0) + parseStep(milliseconds);
  const nextDue = (): number => Math.min(...brokers.map((broker) => broker.nextDue(end) ?? Infinity));
  await settle();
  for (let next = nextDue(); next < Infinity; next = nextDue()) {
    for (const broker of brokers) broker.now = next;
    for (const broker of brokers) {
      broker.expireRequests();
      broker.handOut();
    }
    await settle();
  }
  for (const broker of brokers) broker.now = end;
}

/** Waits until no message is being handled. */
export async function untilIdle(brokers: readonly MemoryBroker[]): Promise<void> {
  do await settle();
  while (brokers.some(({ running }) => running.length > 0));
}

async function settle(): Promise<void> {
  for (let left = TURNS; left > 0; left--) await turn();
}
