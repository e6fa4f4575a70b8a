import { setTimeout as delay } from 'node:timers/promises';
import type { ApiAddress } from './api.js';
import { Child } from './child.js';
import type { Conditions } from './conditions.js';
import type { Load, Measurement } from './load.js';
import type { Network } from './network.js';
import type { Settings } from './options.js';
import { ECHO, EVENT, PAYLOAD } from './payload.js';
import { median } from './statistics.js';
import type { TransportName } from './transports/index.js';
import type { BenchTransport, Broker } from './transports/bench-transport.js';
import { UsageMeter, type Usage } from './usage.js';
import type { Counted } from './worker.js';

/** A transport that takes part, with the broker that was started for it. */
export interface Participant {
  readonly name: TransportName;
  readonly transport: BenchTransport;
  readonly broker: Broker;
}

/** How a run is made. */
export interface Setup {
  readonly settings: Settings;
  readonly conditions: Conditions;
  /** Absent: all are on the loopback interface. */
  readonly network?: Network;
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

/** Events whose `emit` has not answered yet, of all clients together. */
const EMITTING = 256;
/** How often workers are asked whether they have handled all events, once all are sent. */
const ASK_MS = 5;
/** After so long without another event the missing ones are taken for lost. */
const LOST_MS = 15_000;

type Client = Child<Load, Measurement>;
type Worker = Child<object, Counted>;

/** The processes of one transport. They stay for all turns, so their code is compiled once. */
export class Processes {
  private constructor(
    private readonly workers: readonly Worker[],
    private readonly apis: readonly Child<object, ApiAddress>[],
    private readonly clients: readonly Client[],
    private readonly participant: Participant,
    private readonly settings: Settings,
  ) {}

  static async start(participant: Participant, setup: Setup, interrupt: AbortSignal): Promise<Processes> {
    const { name, transport, broker } = participant;
    const { settings, conditions, network } = setup;
    const started: Child<object, unknown>[] = [];
    const prefixAt = (script: string) => network?.commandAt(script === 'worker' ? 'worker' : 'client') ?? [];
    const start = async <Command extends object, Answer>(
      script: 'worker' | 'api' | 'client',
      url: string,
    ) => {
      const title = `the ${script} of ${name}`;
      const program = transport.program?.();
      const child = await (program === undefined
        ? Child.start<Command, Answer>(
            title,
            new URL(`./${script}.js`, import.meta.url),
            [name, url, JSON.stringify(conditions)],
            interrupt,
            prefixAt(script),
          )
        : Child.startProgram<Command, Answer>(
            title,
            [...prefixAt(script), program, script, url, ECHO, EVENT, JSON.stringify(PAYLOAD)],
            interrupt,
          ));
      started.push(child);
      return child;
    };
    try {
      const workers: Worker[] = [];
      const startAll = async () => {
        const apis: Child<object, ApiAddress>[] = [];
        const clients: Client[] = [];
        for (let n = 0; n < conditions.processes; n++) {
          const api = transport.apiClient && (await start<object, ApiAddress>('api', broker.url));
          if (api !== undefined) apis.push(api);
          const { url } = (await api?.ask({}, 0)) ?? broker;
          clients.push(await start('client', url));
        }
        const processes = new Processes(workers, apis, clients, participant, settings);
        await processes.warmUp();
        return processes;
      };
      while (workers.length < conditions.processes) workers.push(await start('worker', broker.url));
      // A worker that ends makes its client wait in vain.
      return await Promise.race([startAll(), ...workers.map((worker) => worker.ended())]);
    } catch (error) {
      for (const child of started.reverse()) await child.stop();
      throw error;
    }
  }

  /** What it is measured with: numbers of requests in flight, and events. */
  get loads(): (number | 'emit')[] {
    const { carries } = this.participant.transport;
    const levels = carries === 'events' ? [] : this.settings.levels;
    return carries === 'requests' ? [...levels] : [...levels, 'emit'];
  }

  /** The clients are the processes that send: the APIs, where there are some. */
  get pids(): { readonly clients: number[]; readonly workers: number[] } {
    const clients = this.apis.length > 0 ? this.apis : this.clients;
    return { clients: clients.map(({ pid }) => pid), workers: this.workers.map(({ pid }) => pid) };
  }

  /** Requests, as many in flight as that, of all clients together. */
  measureLevel(inFlight: number): Promise<Level> {
    return this.unlessOneEnds(async () => {
      const { leadInMs, measureMs, leastAnswers } = this.settings;
      const meter = await this.startMeter();
      const load = { inFlight, leadInMs, measureMs, leastAnswers };
      const measured = await this.apply(load);
      return {
        ...measured,
        requestsPerSecond: measured.requestsPerSecond * this.perMessage,
        usage: await meter.perMessage(measured.total * this.perMessage),
      };
    });
  }

  measureEmit(): Promise<Emission> {
    return this.unlessOneEnds(async () => {
      const before = await this.count();
      const meter = await this.startMeter();
      const { total, startedAt } = await this.emit(this.settings.measureMs);
      const sent = total * this.perMessage;
      const { events, at } = await this.countUntil(before.events + sent);
      const handled = events - before.events;
      return {
        eventsPerSecond: (handled / (at - startedAt)) * 1_000,
        lost: sent - handled,
        usage: await meter.perMessage(sent),
      };
    });
  }

  async end(): Promise<void> {
    for (const child of [...this.clients, ...this.apis, ...this.workers]) await child.stop();
  }

  private async warmUp(): Promise<void> {
    const { levels } = this.settings;
    const { loads } = this;
    // Many processes share the messages, and each has to compile the same code.
    const warmUpMs = this.settings.warmUpMs * this.clients.length;
    // Many in flight compile what runs for each message, few what runs for each packet. More than 256 do not: some
    // transports are slow there to begin with.
    const numbers = [Math.min(Math.max(...levels), 256), Math.min(...levels)];
    await this.unlessOneEnds(async () => {
      for (const inFlight of numbers.filter(() => loads.some((load) => load !== 'emit')))
        await this.apply({ inFlight, leadInMs: 0, measureMs: warmUpMs });
      if (!loads.includes('emit')) return;
      const { total } = await this.emit(warmUpMs);
      await this.countUntil(total * this.perMessage);
    });
  }

  private get perMessage(): number {
    return this.participant.transport.perMessage ?? 1;
  }

  private startMeter(): Promise<UsageMeter> {
    return UsageMeter.start(this.pids.clients, this.pids.workers, this.participant.broker);
  }

  private emit(measureMs: number): Promise<Measurement> {
    return this.apply({ inFlight: EMITTING, isEmitting: true, leadInMs: 0, measureMs });
  }

  /** Divides what is in flight among the clients. */
  private async apply(load: Load): Promise<Measurement> {
    const { length } = this.clients;
    const measured = this.clients.flatMap((client, place) => {
      const inFlight = Math.floor(load.inFlight / length) + (place < load.inFlight % length ? 1 : 0);
      return inFlight === 0 ? [] : client.ask({ ...load, inFlight }, load.leadInMs + load.measureMs);
    });
    return together(await Promise.all(measured));
  }

  private async count(): Promise<Counted> {
    const counted = await Promise.all(this.workers.map((worker) => worker.ask({}, 0)));
    return {
      events: counted.reduce((sum, { events }) => sum + events, 0),
      at: Math.max(...counted.map(({ at }) => at)),
    };
  }

  /** Until so many have been handled, or some are lost. */
  private async countUntil(events: number): Promise<Counted> {
    for (let last = await this.count(), changed = performance.now(); ;) {
      if (last.events >= events || performance.now() - changed > LOST_MS) return last;
      await delay(ASK_MS);
      const now = await this.count();
      if (now.events !== last.events) changed = performance.now();
      last = now;
    }
  }

  private unlessOneEnds<T>(work: () => Promise<T>): Promise<T> {
    return Promise.race([work(), ...[...this.workers, ...this.apis].map((child) => child.ended())]);
  }
}

/** The p50 is the median of those of the clients; the p99 and p99.9 are those of the slowest client. */
function together(measured: readonly Measurement[]): Measurement {
  const of = (figure: (each: Measurement) => number): number[] => measured.map(figure);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  return {
    requestsPerSecond: sum(of(({ requestsPerSecond }) => requestsPerSecond)),
    p50Ms: median(of(({ p50Ms }) => p50Ms)),
    p99Ms: Math.max(...of(({ p99Ms }) => p99Ms)),
    p999Ms: Math.max(...of(({ p999Ms }) => p999Ms)),
    total: sum(of(({ total }) => total)),
    startedAt: Math.min(...of(({ startedAt }) => startedAt)),
  };
}
