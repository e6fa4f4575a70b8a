import { Child } from './child.js';
import type { Load, Measurement } from './load.js';
import type { Settings } from './options.js';
import type { TransportName } from './transports/index.js';
import type { BenchTransport, Broker } from './transports/bench-transport.js';
import { UsageMeter, type Usage } from './usage.js';
import type { Count, Counted } from './worker.js';

/** A transport that takes part, with the broker that was started for it. */
export interface Participant {
  readonly name: TransportName;
  readonly transport: BenchTransport;
  readonly broker: Broker;
}

export interface Level extends Measurement {
  readonly usage: Usage;
}

/** Events, from the first `emit` until the last one has been handled. */
export interface Emission {
  readonly eventsPerSecond: number;
  readonly lost: number;
  readonly usage: Usage;
}

/** Events whose `emit` has not answered yet. */
const EMITTING = 256;
/** A worker that is slower than its client has so much longer for the rest. */
const HANDLING_MS = 60_000;

/** The client and the worker of one transport. They stay for all turns, so their code is compiled once. */
export class ProcessPair {
  private constructor(
    private readonly client: Child<Load, Measurement>,
    private readonly worker: Child<Count, Counted>,
    private readonly broker: Broker,
    private readonly settings: Settings,
  ) {}

  static async start(
    { name, broker }: Participant,
    settings: Settings,
    interrupt: AbortSignal,
  ): Promise<ProcessPair> {
    const start = <Command extends object, Answer>(script: 'worker' | 'client') =>
      Child.start<Command, Answer>(
        `the ${script} of ${name}`,
        new URL(`./${script}.js`, import.meta.url),
        [name, broker.url],
        interrupt,
      );
    const worker = await start<Count, Counted>('worker');
    try {
      // A worker that ends makes its client wait in vain.
      const client = await Promise.race([start<Load, Measurement>('client'), worker.ended()]);
      const pair = new ProcessPair(client, worker, broker, settings);
      await pair.warmUp().catch(async (error: unknown) => {
        await client.stop();
        throw error;
      });
      return pair;
    } catch (error) {
      await worker.stop();
      throw error;
    }
  }

  /** Requests, as many in flight as that. */
  measureLevel(inFlight: number): Promise<Level> {
    return this.unlessWorkerEnds(async () => {
      const { leadInMs, measureMs, leastAnswers } = this.settings;
      const meter = await UsageMeter.start(this.client.pid, this.worker.pid, this.broker);
      const load = { inFlight, leadInMs, measureMs, leastAnswers };
      const measured = await this.client.ask(load, leadInMs + measureMs);
      return { ...measured, usage: await meter.perMessage(measured.total) };
    });
  }

  measureEmit(): Promise<Emission> {
    return this.unlessWorkerEnds(async () => {
      const before = await this.worker.ask({ events: 0 }, HANDLING_MS);
      const meter = await UsageMeter.start(this.client.pid, this.worker.pid, this.broker);
      const { total, startedAt } = await this.emit(this.settings.measureMs);
      const { events, at } = await this.worker.ask({ events: before.events + total }, HANDLING_MS);
      const handled = events - before.events;
      return {
        eventsPerSecond: (handled / (at - startedAt)) * 1_000,
        lost: total - handled,
        usage: await meter.perMessage(total),
      };
    });
  }

  async end(): Promise<void> {
    await this.client.stop();
    await this.worker.stop();
  }

  private async warmUp(): Promise<void> {
    const { levels, warmUpMs } = this.settings;
    // Many in flight compile what runs for each message, few what runs for each packet. More than 256 do not: some
    // transports are slow there to begin with.
    await this.unlessWorkerEnds(async () => {
      for (const inFlight of [Math.min(Math.max(...levels), 256), Math.min(...levels)])
        await this.client.ask({ inFlight, leadInMs: 0, measureMs: warmUpMs }, warmUpMs);
      const { total } = await this.emit(warmUpMs);
      await this.worker.ask({ events: total }, HANDLING_MS);
    });
  }

  private emit(measureMs: number): Promise<Measurement> {
    return this.client.ask({ inFlight: EMITTING, isEmitting: true, leadInMs: 0, measureMs }, measureMs);
  }

  private unlessWorkerEnds<T>(work: () => Promise<T>): Promise<T> {
    return Promise.race([work(), this.worker.ended()]);
  }
}
