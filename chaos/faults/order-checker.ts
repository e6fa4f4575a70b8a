import type { Execution, Facts } from './facts.js';
import { wasDisturbed, type Lives } from './lives.js';
import { LEASE, type Load } from './load.js';
import type { Setbacks } from '../partitions/setbacks.js';

/** The order of the messages with ordering keys, checked. */
export interface OrderVerdict {
  /** Keys that had messages. */
  keys: number;
  /** Started after a later message of its key and client, or between two attempts at another one. */
  outOfOrder: number;
  /** Started while another message of its key ran, at a worker that had its lease. */
  twoAtOnce: number;
  /** Started while another message of its key ran, at a worker that had lost its lease. */
  besideZombie: number;
  /** Keys that a failover has set back. Their order is not checked. */
  setBack: number;
}

interface Start {
  readonly number: number;
  readonly sentBy: string | undefined;
  readonly execution: Execution;
}

/** A worker that has stood still takes so long at the most to learn that it has lost its leases, ms. */
const ZOMBIE_MS = 2 * LEASE;

/** Looks at each ordering key: the tokens tell in which order its messages were started. */
export class OrderChecker {
  readonly verdict: OrderVerdict = { keys: 0, outOfOrder: 0, twoAtOnce: 0, besideZombie: 0, setBack: 0 };
  readonly problems: string[] = [];

  constructor(
    private readonly load: Load,
    private readonly lives: Lives,
    private readonly setbacks?: Setbacks,
  ) {}

  checkOrder(messages: ReadonlyMap<number, Facts>): void {
    const byKey = new Map<string, Start[]>();
    for (const [number, { sentBy, executions }] of messages) {
      const key = this.load.keyOf(number);
      if (key === undefined) continue;
      const starts = byKey.get(key) ?? [];
      byKey.set(key, starts);
      for (const execution of executions) starts.push({ number, sentBy, execution });
    }
    this.verdict.keys = byKey.size;
    for (const [key, starts] of byKey) {
      if (this.setbacks?.hasKey(key)) {
        this.verdict.setBack++;
        continue;
      }
      starts.sort((one, other) => compareTokens(one.execution.token, other.execution.token));
      this.#checkSequence(key, starts);
      this.#checkOneAtATime(key, starts);
    }
  }

  #checkSequence(key: string, starts: readonly Start[]): void {
    /** The highest number of each client that was started. */
    const highest = new Map<string, number>();
    const finished = new Set<number>();
    let before: number | undefined;
    for (const { number, sentBy = '', execution } of starts) {
      if (before !== undefined && before !== number) finished.add(before);
      before = number;
      if (finished.has(number)) {
        this.#problem('outOfOrder', `${number} of '${key}' came again after others: ${show(execution)}`);
      }
      // It gets its place when it is due.
      if (this.load.kindOf(number) === 'event that is delayed') continue;
      const latest = highest.get(sentBy) ?? -1;
      if (number < latest) {
        this.#problem('outOfOrder', `${number} of '${key}' was started after ${latest}: ${show(execution)}`);
      } else highest.set(sentBy, number);
    }
  }

  #checkOneAtATime(key: string, starts: readonly Start[]): void {
    let running: Start[] = [];
    for (const start of starts) {
      running = running.filter(({ execution }) => this.#endOf(execution) > start.execution.at);
      for (const other of running) this.#together(key, other, start);
      running.push(start);
    }
  }

  /** A handler that did not end was killed with its worker. */
  #endOf({ endedAt, life }: Execution): number {
    return endedAt ?? this.lives.named(life)?.endedAt ?? Infinity;
  }

  #together(key: string, first: Start, second: Start): void {
    const { execution } = first;
    const life = this.lives.named(execution.life);
    // A zombie may start late what it had taken before it stood still.
    const from = Math.min(execution.at, second.execution.at);
    const until = Math.max(execution.at, second.execution.at);
    if (wasDisturbed(life, from, until, ZOMBIE_MS)) this.verdict.besideZombie++;
    else {
      const what = `${second.number} of '${key}' was started while ${first.number} ran`;
      this.#problem('twoAtOnce', `${what}: ${show(execution)}, ${show(second.execution)}`);
    }
  }

  #problem(what: 'outOfOrder' | 'twoAtOnce', text: string): void {
    this.verdict[what]++;
    this.problems.push(text);
  }
}

/** @param one an id of an entry, `MILLISECONDS-NUMBER` */
function compareTokens(one: string, other: string): number {
  const [time = 0, number = 0] = one.split('-').map(Number);
  const [otherTime = 0, otherNumber = 0] = other.split('-').map(Number);
  return time - otherTime || number - otherNumber;
}

function show(execution: Execution): string {
  return JSON.stringify(execution);
}
