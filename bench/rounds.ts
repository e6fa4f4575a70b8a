import { setMaxListeners } from 'node:events';
import { Random } from '../chaos/random.js';
import { Processes, type Emission, type Level, type Participant, type Setup } from './processes.js';
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
export function expectedMs(participants: number, settings: Settings, processes: number): number {
  const { rounds, levels, leadInMs, measureMs, warmUpMs } = settings;
  const round = levels.length * (leadInMs + measureMs + ANSWER_MS) + measureMs + ANSWER_MS;
  return participants * (processes * (START_MS + 3 * warmUpMs) + rounds * round);
}

/**
 * In each round the transports have one short turn after the other for each load, in an order that is shuffled each
 * time. So what slows the machine down for a second hits all, and a ratio compares two turns that are close together.
 * A transport that breaks has no more turns.
 */
export async function* takeTurns(
  participants: readonly Participant[],
  setup: Setup,
  interrupt: AbortSignal,
): AsyncGenerator<Turn | Failed> {
  // Each process listens to it.
  setMaxListeners(0, interrupt);
  const { settings } = setup;
  const all = new Map<Participant, Processes>();
  const random = new Random(SEED);
  const failure = (error: unknown) => {
    interrupt.throwIfAborted();
    return { reason: (error as Error).message };
  };
  try {
    for (const participant of participants) {
      const started = await Processes.start(participant, setup, interrupt).catch(failure);
      if (started instanceof Processes) all.set(participant, started);
      else yield { participant, ...started };
    }
    for (let round = 0; round < settings.rounds; round++)
      for (const load of shuffled([...settings.levels, 'emit'] as const, random))
        for (const [participant, processes] of shuffled([...all], random)) {
          if (!processes.loads.includes(load)) continue;
          const turn = await measure(processes, load).catch(failure);
          yield { participant, round, ...turn };
          if (!('reason' in turn)) continue;
          all.delete(participant);
          await processes.end();
        }
  } finally {
    await Promise.all([...all.values()].map((processes) => processes.end()));
  }
}

async function measure(processes: Processes, load: number | 'emit') {
  if (load === 'emit') return { emission: await processes.measureEmit() };
  return { inFlight: load, level: await processes.measureLevel(load) };
}

/** The values in another order (Fisher and Yates). */
export function shuffled<T>(values: readonly T[], random: Random): T[] {
  const left = [...values];
  return values.flatMap(() => left.splice(random.whole(0, left.length - 1), 1));
}
