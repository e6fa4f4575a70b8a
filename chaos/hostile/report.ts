import type { KindResult } from './verify.js';

export interface Report {
  readonly seed: number;
  readonly entries: number;
  readonly seconds: number;
  readonly kinds: readonly KindResult[];
  readonly good: {
    readonly requests: number;
    readonly answered: number;
    readonly events: number;
    readonly handled: number;
    readonly slowestMs: number;
  };
  readonly memory: {
    readonly workerHeapMiB: number;
    readonly workerRssMiB: number;
    readonly clientHeapMiB: number;
    readonly redisMiB: number;
  };
  readonly violations: readonly string[];
}

const HEADINGS = ['written', 'malformed', 'other letter', 'handled', 'left alone'];
/** Violations that are shown. */
const SHOWN = 30;

export function formatReport({ seed, entries, seconds, kinds, good, memory, violations }: Report): string {
  const rows = kinds.map(({ kind, written, malformed, otherLetters, gone, stays }) => ({
    kind,
    cells: [written, malformed, otherLetters, gone, stays].map((count) => count.toLocaleString('en-US')),
  }));
  const width = Math.max(...kinds.map(({ kind }) => kind.length));
  const line = (kind: string, cells: string[]) =>
    `${kind.padEnd(width)}${cells.map((cell) => cell.padStart(14)).join('')}`;
  return [
    `${entries.toLocaleString('en-US')} hostile entries in ${seconds.toFixed(1)} s, seed ${seed}`,
    '',
    line('', HEADINGS),
    ...rows.map(({ kind, cells }) => line(kind, cells)),
    '',
    `Good requests: ${good.answered} of ${good.requests} answered, the slowest after ${good.slowestMs.toFixed(0)} ms`,
    `Good events:   ${good.handled} of ${good.events} handled`,
    `Memory in MiB: worker's heap ${memory.workerHeapMiB.toFixed(0)} (resident ${memory.workerRssMiB.toFixed(0)}), client's heap ${memory.clientHeapMiB.toFixed(0)}, Redis ${memory.redisMiB.toFixed(0)}`,
    '',
    ...(violations.length === 0
      ? ['Nothing was violated: no crash, no stall, nothing lost, no key of others touched.']
      : [`${violations.length} violations:`, ...violations.slice(0, SHOWN).map((what) => `- ${what}`)]),
  ].join('\n');
}
