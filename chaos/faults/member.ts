import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Proxy } from '../../test/support/proxy.js';
import { nameOf, readLines, type Life } from './ledger.js';
import type { ProcessArguments, Report, Standstill } from './process-arguments.js';

/** Of a process that the machine has given no time. */
export const HELD_UP = 'held up by the machine';

/** A network that can fail. */
export type Network = Pick<Proxy, 'delay' | 'cut' | 'silence' | 'truncateRequests' | 'loseAnswers'>;

export type MemberArguments = Omit<ProcessArguments, 'life' | 'first'>;

/** A time during which a process could not keep its leases, and why. */
export interface Disturbance {
  readonly why: string;
  readonly from: number;
  until: number;
}

/** What the checker must know of one life. */
export interface LifeRecord {
  readonly name: string;
  readonly pid: number;
  /** Whether it ended by itself, having done all that was asked of it. */
  endedWell: boolean;
  /** Whether it ended by an error that nobody has handled. */
  hasCrashed: boolean;
  /** When its process had ended, ms since 1970; undefined while it lives. */
  endedAt: number | undefined;
  readonly disturbances: Disturbance[];
}

/** One worker or client: a process that is started again whenever it ends before it is to. */
export class Member {
  readonly lives: LifeRecord[] = [];
  #process: ChildProcess | undefined;
  #life = 0;
  #isWanted = true;
  #first: number;
  #becomeReady: () => void = () => undefined;
  /** Resolves when it has connected for the first time. */
  readonly ready: Promise<void>;
  /** Resolves when it has ended for good. */
  readonly ended: Promise<void>;

  constructor(
    readonly role: Life['role'],
    readonly slot: number,
    private readonly settings: MemberArguments,
    /** What is between it and Redis, if anything. */
    readonly proxy?: Network,
    /** The folder of the programs `worker.js` and `client.js`. */
    private readonly programs = new URL('./', import.meta.url),
  ) {
    this.#first = slot;
    this.ready = new Promise((resolve) => (this.#becomeReady = resolve));
    this.ended = this.#live();
  }

  get isAlive(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null;
  }

  get current(): LifeRecord {
    return this.lives.at(-1) as LifeRecord;
  }

  /** Notes that its process cannot keep its leases from now on. @returns what is to be called when it can again */
  disturb(why: string): () => void {
    const disturbance = { why, from: Date.now(), until: Infinity };
    this.current.disturbances.push(disturbance);
    return () => {
      disturbance.until = Date.now();
    };
  }

  signal(signal: NodeJS.Signals): void {
    this.#process?.kill(signal);
  }

  send(command: object): void {
    // It may be about to end.
    if (this.#process?.connected) this.#process.send(command, () => undefined);
  }

  /** Ends it for good, at once, if it has not ended. */
  kill(): void {
    this.#isWanted = false;
    if (this.isAlive) this.signal('SIGKILL');
  }

  /** Ends it by SIGTERM, for good. */
  async stop(): Promise<void> {
    this.#isWanted = false;
    this.signal('SIGTERM');
    const overdue = setTimeout(() => this.signal('SIGKILL'), 60_000);
    await this.ended;
    clearTimeout(overdue);
  }

  async #live(): Promise<void> {
    do {
      const life: Life = { role: this.role, slot: this.slot, life: ++this.#life };
      const log = openSync(join(this.settings.folder, `${nameOf(life)}.log`), 'a');
      const given: ProcessArguments = { ...this.settings, life, first: this.#first };
      const script = new URL(`${this.role}.js`, this.programs);
      const child = fork(script, [JSON.stringify(given)], { stdio: ['ignore', log, log, 'ipc'] });
      closeSync(log);
      this.#process = child;
      const record: LifeRecord = {
        ...{ name: nameOf(life), pid: child.pid ?? 0, disturbances: [] },
        ...{ endedWell: false, hasCrashed: false, endedAt: undefined },
      };
      this.lives.push(record);
      child.on('message', (report: Report) => {
        if (report === 'ready') {
          this.#becomeReady();
          return;
        }
        if (typeof report === 'object') {
          noteStandstill(record, report);
          return;
        }
        record.endedWell = true;
        this.#isWanted = false;
      });
      const [code] = (await once(child, 'exit')) as [number | null];
      // A signal leaves no code.
      record.hasCrashed = code !== null && code !== 0;
      record.endedAt = Date.now();
      if (this.role === 'client') this.#first = this.#afterLastSent(nameOf(life));
    } while (await this.#startsAgain());
  }

  async #startsAgain(): Promise<boolean> {
    if (this.#isWanted) await sleep(200);
    return this.#isWanted;
  }

  #afterLastSent(name: string): number {
    let next = this.#first;
    const file = join(this.settings.folder, `${name}.ledger`);
    if (!existsSync(file)) return next;
    for (const { fact, number } of readLines(file)) {
      if (fact === 'sent') next = Math.max(next, number + this.settings.step);
    }
    return next;
  }
}

/** A process stands still by a fault, which is known already, or because the machine is too busy. */
function noteStandstill({ disturbances }: LifeRecord, { from, until }: Standstill): void {
  if (disturbances.some((fault) => fault.from <= until && fault.until >= from)) return;
  disturbances.push({ why: HELD_UP, from, until });
}
