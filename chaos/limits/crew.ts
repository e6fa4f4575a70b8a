import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.js';
import type { WorkerArguments } from './worker.js';

/** One worker process, from its start to its end. */
export interface Life {
  readonly ledger: string;
  /** The time of its end, us on the clock of the machine; `Infinity` while it lives. */
  endedAt: number;
}

const MOST = 8;
const FEWEST = 4;
/** Between two changes, ms. */
const CALM_MS = { min: 500, max: 2_500 };

/** Workers of one queue that come, go and are killed. */
export class Crew {
  readonly lives: Life[] = [];
  readonly counts = { killed: 0, stopped: 0, started: 0 };
  readonly #settings: Omit<WorkerArguments, 'ledger'>;
  readonly #folder: string;
  readonly #random: Random;
  readonly #alive = new Set<ChildProcess>();
  readonly #ends: Promise<unknown>[] = [];
  #isOver = false;
  #changing: Promise<void> = Promise.resolve();

  constructor(settings: Omit<WorkerArguments, 'ledger'>, folder: string, random: Random) {
    this.#settings = settings;
    this.#folder = folder;
    this.#random = random;
  }

  /** Starts all workers. From then on they come and go until `stopAll`. */
  async start(): Promise<void> {
    await Promise.all(Array.from({ length: MOST }, () => this.#startOne()));
    this.#changing = this.#change();
  }

  /** Ends all workers as a deployment does. */
  async stopAll(): Promise<void> {
    this.#isOver = true;
    await this.#changing;
    for (const child of this.#alive) child.kill('SIGTERM');
    await Promise.all(this.#ends);
  }

  async #change(): Promise<void> {
    while (!this.#isOver) {
      await sleep(this.#random.between(CALM_MS.min, CALM_MS.max));
      const choices = this.#alive.size >= MOST ? ['kill', 'stop'] : ['kill', 'stop', 'start', 'start'];
      const what = this.#alive.size <= FEWEST ? 'start' : this.#random.pick(choices);
      if (what === 'start') await this.#startOne();
      else this.#endOne(what === 'kill' ? 'SIGKILL' : 'SIGTERM');
    }
  }

  #endOne(signal: 'SIGKILL' | 'SIGTERM'): void {
    const child = this.#random.pick([...this.#alive]);
    this.#alive.delete(child);
    this.counts[signal === 'SIGKILL' ? 'killed' : 'stopped']++;
    child.kill(signal);
  }

  async #startOne(): Promise<void> {
    const ledger = join(this.#folder, `worker-${this.lives.length}.ledger`);
    const life: Life = { ledger, endedAt: Infinity };
    this.lives.push(life);
    const given: WorkerArguments = { ...this.#settings, ledger };
    const child = fork(new URL('./worker.js', import.meta.url), [JSON.stringify(given)]);
    this.#ends.push(
      once(child, 'exit').then(() => {
        life.endedAt = Number(process.hrtime.bigint() / 1_000n);
        this.#alive.delete(child);
      }),
    );
    const [message] = (await Promise.race([once(child, 'message'), once(child, 'exit')])) as [unknown];
    if (message !== 'ready') throw new Error(`a worker ended while it started: ${String(message)}`);
    this.#alive.add(child);
    this.counts.started++;
  }
}
