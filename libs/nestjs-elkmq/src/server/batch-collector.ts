import { formatValue, isError } from 'elkmq/internal';
import { inOwnContext } from '../async-context.js';

/** One call that waits for its batch. */
interface Call {
  readonly values: readonly unknown[];
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Makes a call of many: it gets one array for each parameter, with one element for each call. */
export type BatchRun = (columns: unknown[][]) => unknown;

/** The collectors of one batch handler. Each instance of its controller has one. */
export class BatchCollectors {
  /** The greatest number of messages in a batch. */
  readonly size: number;
  readonly #waitMs: number;
  readonly #ofInstances = new WeakMap<object, BatchCollector>();
  /** The collectors with a batch that is not full. */
  readonly #filling = new Set<BatchCollector>();
  /** The number of servers that drain. */
  #draining = 0;

  constructor(size: number, waitMs: number) {
    this.size = size;
    this.#waitMs = waitMs;
  }

  /** While a server drains, no batch waits: few messages come that could fill it. */
  get waitMs(): number {
    return this.#draining > 0 ? 0 : this.#waitMs;
  }

  /** Returns the collector of an instance. Other instances have services of their own. */
  of(instance: object, run: BatchRun): BatchCollector {
    let collector = this.#ofInstances.get(instance);
    if (!collector) {
      collector = new BatchCollector(run, this, this.#filling);
      this.#ofInstances.set(instance, collector);
    }
    return collector;
  }

  /**
   * Starts all batches that are not full, and has later ones not wait.
   * @returns a function that ends this
   */
  drain(): () => void {
    this.#draining++;
    for (const collector of this.#filling) collector.startBatch();
    return () => {
      this.#draining--;
    };
  }
}

/**
 * Collects calls, and makes one call of them: when it has enough of them, or when the first one has waited
 * for long enough.
 */
class BatchCollector {
  readonly #run: BatchRun;
  readonly #limits: Pick<BatchCollectors, 'size' | 'waitMs'>;
  readonly #filling: Set<BatchCollector>;
  #calls: Call[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param filling has this collector while its batch is not full */
  constructor(run: BatchRun, limits: Pick<BatchCollectors, 'size' | 'waitMs'>, filling: Set<BatchCollector>) {
    this.#run = run;
    this.#limits = limits;
    this.#filling = filling;
  }

  /** @returns the result for this call */
  collect(values: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#calls.push({ values, resolve, reject });
      if (this.#calls.length >= this.#limits.size) {
        this.startBatch();
        return;
      }
      this.#filling.add(this);
      this.#timer ??= setTimeout(() => {
        this.startBatch();
      }, this.#limits.waitMs);
    });
  }

  /** Makes one call of those that have come so far. */
  startBatch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#filling.delete(this);
    const calls = this.#calls;
    this.#calls = [];
    // The batch belongs to no message, so it must not see what the first or the last one has entered.
    inOwnContext((batch) => void this.#runBatch(batch), calls);
  }

  async #runBatch(calls: readonly Call[]): Promise<void> {
    try {
      const answer = await this.#run(columnsOf(calls));
      const results = resultsOf(answer, calls.length);
      calls.forEach(({ resolve, reject }, index) => {
        const result = results?.[index];
        if (isError(result)) reject(result as Error);
        else resolve(result);
      });
    } catch (error) {
      for (const { reject } of calls) reject(error as Error);
    }
  }
}

function columnsOf(calls: readonly Call[]): unknown[][] {
  const first = calls[0]?.values ?? [];
  return first.map((_, column) => calls.map(({ values }) => values[column]));
}

/** @throws {TypeError} when it is not clear which result is for which message */
function resultsOf(answer: unknown, count: number): readonly unknown[] | undefined {
  if (answer === undefined || answer === null) return undefined;
  if (Array.isArray(answer) && answer.length === count) return answer as unknown[];
  throw new TypeError(
    `a batch handler must return nothing, or an array with one element for each of its ${String(count)} message(s), got ${formatValue(answer)}`,
  );
}
