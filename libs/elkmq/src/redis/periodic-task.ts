import { LONGEST_TIMER_MS } from '../model/options.js';
import type { Connection } from './connection.js';
import { isReplyError } from './redis-errors.js';

/** The clock and the timers of a task. Tests have timers of their own, and move time by hand. */
export interface Timers {
  /** Milliseconds on a clock that never goes back. */
  now(): number;
  /**
   * Calls `run` once, `delayMs` from now.
   * @returns a function that cancels the call
   */
  schedule(delayMs: number, run: () => void): () => void;
}

/** Timers that do not keep the process alive. */
export const systemTimers: Timers = {
  now: () => performance.now(),
  schedule: (delayMs, run) => {
    // A longer time would be one of 1 ms. A run that comes early finds nothing to do, and says when to come
    // again.
    const timer = setTimeout(run, Math.min(delayMs, LONGEST_TIMER_MS)).unref();
    return () => {
      clearTimeout(timer);
    };
  },
};

/** Is notified of a task that Redis refuses, once for each time that it begins to be refused. */
export type TaskRefused = (name: string, error: Error) => void;

export interface PeriodicTaskOptions {
  /** The name of the task in an error message: `delayed messages`. */
  readonly name: string;
  /** The time from the beginning of a run to the next one. A run can answer with another time. */
  readonly intervalMs: number;
  /** A run is skipped while this connection is away. */
  readonly connection?: Pick<Connection, 'isConnected'>;
  readonly onRefused?: TaskRefused;
  readonly timers?: Timers;
}

/** One run. It can answer the time until the next run, ms. */
export type TaskRun = (() => Promise<void>) | (() => Promise<number>);

/**
 * Runs something again and again: at an interval, or after the time that the latest run has answered. Two
 * runs never overlap. A run may fail: the next one comes at the interval.
 *
 * The tasks of a worker are in maintenance/. This class is in redis/, because legacy/ has a task too, and
 * lies below maintenance/.
 */
export class PeriodicTask {
  readonly #options: PeriodicTaskOptions;
  readonly #run: TaskRun;
  readonly #timers: Timers;
  #cancelTimer: (() => void) | undefined;
  /** The time of the next run, on the clock of the timers. */
  #nextAt = Infinity;
  #runUnderWay: Promise<void> | undefined;
  #isRefused = false;
  #isStopped = false;

  constructor(options: PeriodicTaskOptions, run: TaskRun) {
    this.#options = options;
    this.#run = run;
    this.#timers = options.timers ?? systemTimers;
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** Starts the task. The first run comes after `delayMs`. */
  startTask(delayMs = this.#options.intervalMs): void {
    this.runWithin(delayMs);
  }

  /** Brings the next run forward, so that it comes in `delayMs` at the latest. */
  runWithin(delayMs: number): void {
    const at = this.#timers.now() + delayMs;
    if (!(at < this.#nextAt)) return;
    this.#nextAt = at;
    this.#setTimer();
  }

  /**
   * Runs the task now, unless a run is under way or the task has stopped.
   * @returns resolves at the end of the run, also when it has failed
   */
  runNow(): Promise<void> {
    if (this.#runUnderWay) return this.#runUnderWay;
    if (this.#isStopped) return Promise.resolve();
    this.#cancelTimer?.();
    this.#nextAt = Infinity;
    // The run begins in a microtask, so a call that it makes finds a run under way.
    this.#runUnderWay = Promise.resolve().then(() => this.#runOnce());
    return this.#runUnderWay;
  }

  /**
   * Stops the task for good.
   * @returns resolves when no run is under way any more
   */
  async stopTask(): Promise<void> {
    this.#isStopped = true;
    this.#cancelTimer?.();
    await this.#runUnderWay;
  }

  async #runOnce(): Promise<void> {
    const { intervalMs, connection } = this.#options;
    let nextAt = this.#timers.now() + intervalMs;
    try {
      if (connection?.isConnected !== false) {
        const pauseMs = await this.#run();
        if (pauseMs !== undefined) nextAt = this.#timers.now() + pauseMs;
        this.#isRefused = false;
      }
    } catch (error) {
      this.#reportRefusal(error);
    }
    this.#runUnderWay = undefined;
    this.#nextAt = Math.min(this.#nextAt, nextAt);
    this.#setTimer();
  }

  /** Any other error than an answer of Redis means that Redis went away, which others report. */
  #reportRefusal(error: unknown): void {
    if (!isReplyError(error) || this.#isRefused) return;
    this.#isRefused = true;
    this.#options.onRefused?.(this.#options.name, error);
  }

  #setTimer(): void {
    if (this.#isStopped) return;
    this.#cancelTimer?.();
    const delayMs = Math.max(this.#nextAt - this.#timers.now(), 0);
    this.#cancelTimer = this.#timers.schedule(delayMs, () => void this.runNow());
  }
}
