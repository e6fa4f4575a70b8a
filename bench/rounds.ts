import { setMaxListeners } from 'node:events';
import { Random } from '../chaos/random.js';
import { ProcessPair, type Emission, type Level, type Participant } from './pair.js';
import type { Settings } from './options.js';

/** What one transport came to in one short turn: at a number of requests in flight, or with events. */
export type Turn = { readonly participant: Participant; readonly round: number } & (
  { readonly inFlight: number; readonly level: Level } | { readonly emission: Emission }
);

/** A transport that broke. */
export interface Failed {
  readonly participant: Participant;
  /** Absent when its processes did not start. */
  readonly round?: number;
  readonly reason: string;
}

/** Starting two processes, and a process that answers, take about so long. */
const START_MS = 2_500;
const ANSWER_MS = 60;
/** How the order of the turns is shuffled; the same in each run. */
const SEED = 1;

/** How long all turns take, about, ms. */
export function expectedMs(participants: number, settings: Settings): number {
  const { rounds, levels, leadInMs, measureMs, warmUpMs } = settings;
  const round = levels.length * (leadInMs + measureMs + ANSWER_MS) + measureMs + ANSWER_MS;
  return participants * (START_MS + 3 * warmUpMs + rounds * round);
}

/**
 * In each round the transports have one short turn after the other for each load, in an order that is shuffled each
 * time. So what slows the machine down for a second hits all, and a ratio compares two turns that are close together.
 * A transport that breaks has no more turns.
 */
export async function* takeTurns(
  participants: readonly Participant[],
  settings: Settings,
  interrupt: AbortSignal,
): AsyncGenerator<Turn | Failed> {
  // Each process listens to it.
  setMaxListeners(0, interrupt);
  const pairs = new Map<Participant, ProcessPair>();
  const random = new Random(SEED);
  const failure = (error: unknown) => {
    interrupt.throwIfAborted();
    return { reason: (error as Error).message };
  };
  try {
    for (const participant of participants) {
      const pair = await ProcessPair.start(participant, settings, interrupt).catch(failure);
      if (pair instanceof ProcessPair) pairs.set(participant, pair);
      else yield { participant, ...pair };
    }
    for (let round = 0; round < settings.rounds; round++)
      for (const load of shuffled([...settings.levels, 'emit'] as const, random))
        for (const [participant, pair] of shuffled([...pairs], random)) {
          if (!pair.loads.includes(load)) continue;
          const turn = await measure(pair, load).catch(failure);
          yield { participant, round, ...turn };
          if (!('reason' in turn)) continue;
          pairs.delete(participant);
          await pair.end();
        }
  } finally {
    await Promise.all([...pairs.values()].map((pair) => pair.end()));
  }
}

async function measure(pair: ProcessPair, load: number | 'emit') {
  if (load === 'emit') return { emission: await pair.measureEmit() };
  return { inFlight: load, level: await pair.measureLevel(load) };
}

/** Fisher and Yates. */
function shuffled<T>(values: readonly T[], random: Random): T[] {
  const left = [...values];
  return values.flatMap(() => left.splice(random.whole(0, left.length - 1), 1));
}
