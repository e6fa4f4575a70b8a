import type { ApiAddress } from './api.js';
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

/** The processes of one transport. They stay for all turns, so their code is compiled once. */
export class ProcessPair {
  private constructor(
    private readonly worker: Child<Count, Counted>,
    private readonly api: Child<object, ApiAddress> | undefined,
    private readonly client: Child<Load, Measurement>,
    private readonly participant: Participant,
    private readonly settings: Settings,
  ) {}

  static async start(
    participant: Participant,
    settings: Settings,
    interrupt: AbortSignal,
  ): Promise<ProcessPair> {
    const { name, transport, broker } = participant;
    const started: Child<object, unknown>[] = [];
    const start = async <Command extends object, Answer>(
      script: 'worker' | 'api' | 'client',
      url: string,
    ) => {
      const child = await Child.start<Command, Answer>(
        `the ${script} of ${name}`,
        new URL(`./${script}.js`, import.meta.url),
        [name, url],
        interrupt,
      );
      started.push(child);
      return child;
    };
    try {
      const worker = await start<Count, Counted>('worker', broker.url);
      const startClient = async () => {
        const api = transport.apiClient && (await start<object, ApiAddress>('api', broker.url));
        const { url } = (await api?.ask({}, 0)) ?? broker;
        const client = await start<Load, Measurement>('client', url);
        return new ProcessPair(worker, api, client, participant, settings);
      };
      // A worker that ends makes its client wait in vain.
      const pair = await Promise.race([startClient(), worker.ended()]);
      await pair.warmUp();
      return pair;
    } catch (error) {
      for (const child of started.reverse()) await child.stop();
      throw error;
    }
  }

  /** What it is measured with: numbers of requests in flight, and events. */
  get loads(): (number | 'emit')[] {
    const { carries } = this.participant.transport;
    return [
      ...(carries === 'events' ? [] : this.settings.levels),
      ...(carries === 'requests' ? [] : ['emit' as const]),
    ];
  }

  /** Requests, as many in flight as that. */
  measureLevel(inFlight: number): Promise<Level> {
    return this.unlessOneEnds(async () => {
      const { leadInMs, measureMs, leastAnswers } = this.settings;
      const meter = await this.startMeter();
      const load = { inFlight, leadInMs, measureMs, leastAnswers };
      const measured = await this.client.ask(load, leadInMs + measureMs);
      return {
        ...measured,
        requestsPerSecond: measured.requestsPerSecond * this.perMessage,
        usage: await meter.perMessage(measured.total * this.perMessage),
      };
    });
  }

  measureEmit(): Promise<Emission> {
    return this.unlessOneEnds(async () => {
      const before = await this.worker.ask({ events: 0 }, HANDLING_MS);
      const meter = await this.startMeter();
      const { total, startedAt } = await this.emit(this.settings.measureMs);
      const sent = total * this.perMessage;
      const { events, at } = await this.worker.ask({ events: before.events + sent }, HANDLING_MS);
      const handled = events - before.events;
      return {
        eventsPerSecond: (handled / (at - startedAt)) * 1_000,
        lost: sent - handled,
        usage: await meter.perMessage(sent),
      };
    });
  }

  async end(): Promise<void> {
    for (const child of [this.client, this.api, this.worker]) await child?.stop();
  }

  private async warmUp(): Promise<void> {
    const { levels, warmUpMs } = this.settings;
    const { loads } = this;
    // Many in flight compile what runs for each message, few what runs for each packet. More than 256 do not: some
    // transports are slow there to begin with.
    const numbers = [Math.min(Math.max(...levels), 256), Math.min(...levels)];
    await this.unlessOneEnds(async () => {
      for (const inFlight of numbers.filter(() => loads.some((load) => load !== 'emit')))
        await this.client.ask({ inFlight, leadInMs: 0, measureMs: warmUpMs }, warmUpMs);
      if (!loads.includes('emit')) return;
      const { total } = await this.emit(warmUpMs);
      await this.worker.ask({ events: total * this.perMessage }, HANDLING_MS);
    });
  }

  /** The client is the process that sends: the API, where there is one. */
  get pids(): { readonly client: number; readonly worker: number } {
    return { client: (this.api ?? this.client).pid, worker: this.worker.pid };
  }

  private get perMessage(): number {
    return this.participant.transport.perMessage ?? 1;
  }

  private startMeter(): Promise<UsageMeter> {
    return UsageMeter.start(this.pids.client, this.pids.worker, this.participant.broker);
  }

  private emit(measureMs: number): Promise<Measurement> {
    return this.client.ask({ inFlight: EMITTING, isEmitting: true, leadInMs: 0, measureMs }, measureMs);
  }

  private unlessOneEnds<T>(work: () => Promise<T>): Promise<T> {
    const { worker, api } = this;
    return Promise.race([work(), worker.ended(), ...(api === undefined ? [] : [api.ended()])]);
  }
}
