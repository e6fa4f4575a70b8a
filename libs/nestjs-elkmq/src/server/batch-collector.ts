import { formatValue } from 'elkmq/internal';
import { inOwnContext } from '../async-context.js';

/** One call that waits for its batch. */
interface Call {
  readonly values: readonly unknown[];
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Collects calls, and makes one call of them: when it has enough of them, or when the first one has waited
 * for long enough.
 */
export class BatchCollector {
  readonly #run: (columns: unknown[][]) => unknown;
  readonly #size: number;
  readonly #waitMs: number;
  #calls: Call[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** @param run gets one array for each parameter, with one element for each call */
  constructor(run: (columns: unknown[][]) => unknown, size: number, waitMs: number) {
    this.#run = run;
    this.#size = size;
    this.#waitMs = waitMs;
  }

  /** @returns the result for this call */
  collect(values: readonly unknown[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#calls.push({ values, resolve, reject });
      if (this.#calls.length >= this.#size) this.#startBatch();
      else
        this.#timer ??= setTimeout(() => {
          this.#startBatch();
        }, this.#waitMs);
    });
  }

  #startBatch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
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
        if (result instanceof Error) reject(result);
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
