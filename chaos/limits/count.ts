import { existsSync, readFileSync } from 'node:fs';
import type { Life } from './crew.js';

/** What the ledgers of all workers say. */
export interface Counts {
  /** Handlers that have begun. */
  readonly started: number;
  /** The largest number of handlers that ran at one time. */
  readonly mostAtOnce: number;
  /** The largest number of handlers that began within one second. */
  readonly mostInOneSecond: number;
  /** Handlers whose worker lived on after others had taken their lease: they ran beside the limit. */
  readonly leasesLost: number;
}

/**
 * Counts the handlers. One runs from its beginning to its end, or to the end of its process.
 * @param from us on the clock of the machine: what began before does not count as started
 * @param until the same: what began later
 */
export function countHandlers(lives: readonly Life[], from: number, until: number): Counts {
  const changes: [at: number, by: 1 | -1][] = [];
  const starts: number[] = [];
  let leasesLost = 0;
  for (const { ledger, endedAt } of lives) {
    const running = new Set<string>();
    for (const [what, id, at] of linesOf(ledger)) {
      if (what === 'S') {
        running.add(id);
        if (at >= from && at < until) starts.push(at);
        changes.push([at, 1]);
      } else {
        running.delete(id);
        changes.push([at, -1]);
        if (what === 'L') leasesLost++;
      }
    }
    // These ended with their process.
    for (let left = running.size; left > 0; left--) changes.push([endedAt, -1]);
  }
  // Of one moment an end comes first: it was written before the message was settled.
  changes.sort(([one, by], [other, otherBy]) => one - other || by - otherBy);
  let [now, mostAtOnce] = [0, 0];
  for (const [, by] of changes) mostAtOnce = Math.max(mostAtOnce, (now += by));
  return { started: starts.length, mostAtOnce, mostInOneSecond: mostWithin(starts, 1_000_000), leasesLost };
}

function* linesOf(file: string): Generator<[what: string, id: string, at: number]> {
  if (!existsSync(file)) return;
  const lines = readFileSync(file, 'latin1').split('\n');
  // A last line that was cut short was not written before anything happened.
  lines.pop();
  for (const line of lines) {
    const [what = '', id = '', at] = line.split(' ');
    yield [what, id, Number(at)];
  }
}

function mostWithin(starts: number[], lengthUs: number): number {
  starts.sort((one, other) => one - other);
  let [first, most] = [0, 0];
  for (const [index, at] of starts.entries()) {
    while ((starts[first] ?? at) <= at - lengthUs) first++;
    most = Math.max(most, index - first + 1);
  }
  return most;
}
