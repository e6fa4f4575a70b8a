import type { LifeRecord } from './member.js';

/** Consequences of a fault may still come so long after it, ms: leases end, connections are noticed to be broken. */
export const AFTERMATH = 15_000;

/** The processes of a run, and when each could not keep its leases. */
export class Lives {
  readonly #byName: ReadonlyMap<string, LifeRecord>;
  readonly #byProcess: ReadonlyMap<string, LifeRecord>;

  constructor(lives: readonly LifeRecord[]) {
    this.#byName = new Map(lives.map((life) => [life.name, life]));
    this.#byProcess = new Map(lives.map((life) => [String(life.pid), life]));
  }

  /** The names of the processes that have crashed. */
  crashes(): string[] {
    return [...this.#byName.values()].filter(({ hasCrashed }) => hasCrashed).map(({ name }) => name);
  }

  named(name: string | undefined): LifeRecord | undefined {
    return name === undefined ? undefined : this.#byName.get(name);
  }

  /** @param consumer as Redis knows it: `HOST-PID-RANDOM.SESSION.LEASE` */
  ofConsumer(consumer: string): LifeRecord | undefined {
    const [, process = ''] = /-(\d+)-[^-.]*[^.]*\.\d+\.\d+$/.exec(consumer) ?? [];
    return this.#byProcess.get(process);
  }

  /** Whether any process could not keep its leases at some time between two moments, or shortly before. */
  wasAnyDisturbed(from: number, until: number): boolean {
    return [...this.#byName.values()].some((life) => wasDisturbed(life, from, until));
  }
}

/** Whether a process could not keep its leases at some time between two moments, or shortly before. */
export function wasDisturbed(
  life: LifeRecord | undefined,
  from: number,
  until: number,
  aftermath = AFTERMATH,
): boolean {
  return (life?.disturbances ?? []).some((fault) => fault.from <= until && fault.until + aftermath >= from);
}
