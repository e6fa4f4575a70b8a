import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The independent record of a run: a file for each process, appended to before and after everything that counts. What
 * was written is in the hands of the operating system, so a process that is killed afterwards does not take it along.
 *
 * A client writes `sent`, then `stored` or `refused` for an event, `outcome` for a request. A worker writes `started`
 * with the attempt, and the token of an ordering key, when a handler begins, then `finished`, or `failed` when it throws as it is meant to.
 */
export type Fact = 'sent' | 'stored' | 'refused' | 'outcome' | 'started' | 'finished' | 'failed';

export interface Line {
  readonly fact: Fact;
  readonly number: number;
  /** ms since 1970 */
  readonly at: number;
  readonly detail: string;
}

/** A process from its start to its end: which one of its role, and its how manieth life. */
export interface Life {
  readonly role: 'worker' | 'client';
  readonly slot: number;
  readonly life: number;
}

export function nameOf({ role, slot, life }: Life): string {
  return `${role}-${slot}-${life}`;
}

export class LedgerWriter {
  readonly #file: number;

  constructor(folder: string, life: Life) {
    this.#file = openSync(join(folder, `${nameOf(life)}.ledger`), 'a');
  }

  write(fact: Fact, number: number, detail: number | string = ''): void {
    writeSync(this.#file, `${fact} ${number} ${Date.now()} ${detail}\n`);
  }
}

/** Every file of the ledger, with the lines of each in the order in which they were written. */
export function* readLedger(folder: string): Generator<[name: string, lines: Generator<Line>]> {
  for (const file of readdirSync(folder).sort()) {
    if (file.endsWith('.ledger')) yield [file.slice(0, -'.ledger'.length), readLines(join(folder, file))];
  }
}

export function* readLines(file: string): Generator<Line> {
  const text = readFileSync(file, 'latin1');
  for (let start = 0; ;) {
    const end = text.indexOf('\n', start);
    // A last line that was cut short was not written before anything happened.
    if (end < 0) return;
    const [fact, number, at, ...detail] = text.slice(start, end).split(' ');
    yield { fact: fact as Fact, number: Number(number), at: Number(at), detail: detail.join(' ') };
    start = end + 1;
  }
}
