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

/** What one transport came to in one round, level by level. */
export interface Turn {
  readonly participant: Participant;
  readonly round: number;
  readonly measurements: (Measurement & { readonly usage: Usage })[];
  readonly emit: Emission;
}

/** A transport that broke in its turn. */
export interface Failed {
  readonly participant: Participant;
  readonly round: number;
  readonly reason: string;
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

/**
 * The transports take turns, so that a machine that slows down slows all of them, and each round begins with another
 * one, so that none is always first. One that breaks has no more turns.
 */
export async function* takeTurns(
  participants: readonly Participant[],
  settings: Settings,
  interrupt: AbortSignal,
): AsyncGenerator<Turn | Failed> {
  const broken = new Set<Participant>();
  for (let round = 0; round < settings.rounds; round++) {
    const first = round % participants.length;
    for (const participant of [...participants.slice(first), ...participants.slice(0, first)]) {
      if (broken.has(participant)) continue;
      const turn = await measure(participant, settings, interrupt).catch((error: unknown) => {
        interrupt.throwIfAborted();
        broken.add(participant);
        return { reason: (error as Error).message };
      });
      yield { participant, round, ...turn };
    }
  }
}

/** New processes for each turn: what one of them was lucky or unlucky with does not stay for all rounds. */
async function measure(
  { name, broker }: Participant,
  settings: Settings,
  interrupt: AbortSignal,
): Promise<Pick<Turn, 'measurements' | 'emit'>> {
  const start = <Command extends object, Answer>(script: 'worker' | 'client') =>
    Child.start<Command, Answer>(
      `the ${script} of ${name}`,
      new URL(`./${script}.js`, import.meta.url),
      [name, broker.url],
      interrupt,
    );
  const worker = await start<Count, Counted>('worker');
  try {
    const client = await start<Load, Measurement>('client');
    try {
      const measureAll = async () => ({
        measurements: await measureLevels(client, worker.pid, broker, settings),
        emit: await measureEmit(client, worker, broker, settings),
      });
      return await Promise.race([measureAll(), worker.ended()]);
    } finally {
      await client.stop();
    }
  } finally {
    await worker.stop();
  }
}

async function measureLevels(
  client: Child<Load, Measurement>,
  worker: number,
  broker: Broker,
  settings: Settings,
): Promise<Turn['measurements']> {
  const { levels, leadInMs, measureMs, warmUpMs, leastAnswers } = settings;
  // Many in flight compile what runs for each message, few what runs for each packet. More than 256 do not: some
  // transports are slow there to begin with.
  for (const inFlight of [Math.min(Math.max(...levels), 256), Math.min(...levels)]) {
    await client.ask({ inFlight, leadInMs: 0, measureMs: warmUpMs }, warmUpMs);
  }
  const measurements: Turn['measurements'] = [];
  for (const inFlight of levels) {
    const meter = await UsageMeter.start(client.pid, worker, broker);
    const load = { inFlight, leadInMs, measureMs, leastAnswers };
    const measured = await client.ask(load, leadInMs + measureMs);
    measurements.push({ ...measured, usage: await meter.perMessage(measured.total) });
  }
  return measurements;
}

async function measureEmit(
  client: Child<Load, Measurement>,
  worker: Child<Count, Counted>,
  broker: Broker,
  { warmUpMs, measureMs }: Settings,
): Promise<Emission> {
  const emit = (ms: number) =>
    client.ask({ inFlight: EMITTING, isEmitting: true, leadInMs: 0, measureMs: ms }, ms);
  const warm = await emit(warmUpMs);
  const before = await worker.ask({ events: warm.total }, HANDLING_MS);
  const meter = await UsageMeter.start(client.pid, worker.pid, broker);
  const { total, startedAt } = await emit(measureMs);
  const { events, at } = await worker.ask({ events: before.events + total }, HANDLING_MS);
  const handled = events - before.events;
  return {
    eventsPerSecond: (handled / (at - startedAt)) * 1_000,
    lost: total - handled,
    usage: await meter.perMessage(total),
  };
}
