import { Child } from './child.js';
import type { Load, Measurement } from './load.js';
import type { Settings } from './options.js';
import type { TransportName } from './transports/index.js';
import type { BenchTransport, Broker } from './transports/bench-transport.js';

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
  readonly measurements: Measurement[];
}

/**
 * The transports take turns, so that a machine that slows down slows all of them, and each round begins with another
 * one, so that none is always first.
 */
export async function* takeTurns(
  participants: readonly Participant[],
  settings: Settings,
  interrupt: AbortSignal,
): AsyncGenerator<Turn> {
  for (let round = 0; round < settings.rounds; round++) {
    const first = round % participants.length;
    for (const participant of [...participants.slice(first), ...participants.slice(0, first)]) {
      yield { participant, round, measurements: await measure(participant, settings, interrupt) };
    }
  }
}

/** New processes for each turn: what one of them was lucky or unlucky with does not stay for all rounds. */
async function measure(
  { name, broker }: Participant,
  settings: Settings,
  interrupt: AbortSignal,
): Promise<Measurement[]> {
  const worker = await Child.start('worker', [name, broker.url], interrupt);
  try {
    const client = await Child.start<Load, Measurement>('client', [name, broker.url], interrupt);
    try {
      return await Promise.race([measureLevels(client, settings), worker.ended()]);
    } finally {
      await client.stop();
    }
  } finally {
    await worker.stop();
  }
}

async function measureLevels(client: Child<Load, Measurement>, settings: Settings): Promise<Measurement[]> {
  const { levels, leadInMs, measureMs, warmUpMs } = settings;
  await client.ask({ inFlight: Math.max(...levels), leadInMs: 0, measureMs: warmUpMs }, warmUpMs);
  const measurements: Measurement[] = [];
  for (const inFlight of levels) {
    measurements.push(await client.ask({ inFlight, leadInMs, measureMs }, leadInMs + measureMs));
  }
  return measurements;
}
