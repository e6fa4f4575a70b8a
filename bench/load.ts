import { percentile } from './statistics.js';
import type { Outcome } from './transports/bench-transport.js';

/** How hard to press, and for how long. */
export interface Load {
  readonly inFlight: number;
  /** Events, not requests. */
  readonly isEmitting?: boolean;
  /**
   * Requests answered in this time are not measured: it brings the queues to their steady length. Unless it is 0 it
   * lasts until as many have answered as are in flight.
   */
  readonly leadInMs: number;
  readonly measureMs: number;
  /** Measuring goes on until so many have been answered, however long that takes. Default: 0. */
  readonly leastAnswers?: number;
}

/** What one load came to. */
export interface Measurement {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  /** Of all that were sent, also before and after what was measured. */
  readonly total: number;
  /** When the first of them was sent, ms since 1970. */
  readonly startedAt: number;
}

/** Far above what any transport reaches; the latencies are kept in an array that never grows while measuring. */
const MOST_REQUESTS_PER_MS = 500;

/**
 * Keeps `inFlight` requests under way: as soon as one has answered, its place sends the next. A request counts in the
 * moment its observable completes, as for a caller that awaits it. One clock reading per request serves as the end of
 * one and the start of the next.
 */
export function applyLoad(request: () => Outcome, load: Load): Promise<Measurement> {
  const { leastAnswers = 0 } = load;
  const latencies = new Float64Array(Math.ceil(load.measureMs * MOST_REQUESTS_PER_MS));
  let answered = 0;
  let total = 0;
  let busyPlaces = load.inFlight;

  return new Promise((resolve, reject) => {
    const started = performance.now();
    let begin = started + load.leadInMs;
    let end = begin + load.measureMs;
    const leastBefore = load.leadInMs > 0 ? load.inFlight : 0;

    const keepBusy = (): void => {
      let sentAt = performance.now();
      const observer = {
        complete: () => {
          const now = performance.now();
          total++;
          if (total <= leastBefore && now >= begin) {
            begin = now;
            end = now + load.measureMs;
          }
          if (now >= end && answered < leastAnswers) end = now + 1;
          if (now < end) {
            if (now >= begin && total > leastBefore) latencies[answered++] = now - sentAt;
            sentAt = now;
            request().subscribe(observer);
          } else if (--busyPlaces === 0) {
            const startedAt = performance.timeOrigin + started;
            resolve({ ...measurement(latencies.subarray(0, answered), end - begin), total, startedAt });
          }
        },
        error: reject,
      };
      request().subscribe(observer);
    };
    for (let place = 0; place < load.inFlight; place++) keepBusy();
  });
}

function measurement(latencies: Float64Array, measureMs: number): Omit<Measurement, 'total' | 'startedAt'> {
  if (latencies.length === 0) return { requestsPerSecond: 0, p50Ms: 0, p99Ms: 0, p999Ms: 0 };
  const sorted = latencies.sort();
  return {
    requestsPerSecond: latencies.length / (measureMs / 1000),
    p50Ms: percentile(sorted, 50),
    p99Ms: percentile(sorted, 99),
    p999Ms: percentile(sorted, 99.9),
  };
}
