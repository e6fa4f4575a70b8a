import { setTimeout as delay } from 'node:timers/promises';
import { AppProcess, type AppName } from './app-process.js';
import type { Cleanups } from './cleanups.js';

const APIS = 2;
const WORKERS = 3;

/** The processes of the audit: API apps that send requests and collect findings, and workers. */
export class Fleet {
  private constructor(
    readonly apis: readonly AppProcess[],
    readonly workers: readonly AppProcess[],
  ) {}

  /** Resolves when all of them are ready. */
  static async start(prefix: string, redisUrl: string, cleanups: Cleanups): Promise<Fleet> {
    const env = {
      REDIS_URL: redisUrl,
      PACKAGES_QUEUE: `${prefix}-packages`,
      FINDINGS_TOPIC: `${prefix}-findings`,
      PORT: '0',
      LOG_LEVELS: 'warn,error,fatal',
    };
    const start = (app: AppName, count: number) =>
      Array.from({ length: count }, (_, index) => {
        const name = `${app}-${index + 1}`;
        return new AppProcess(app, name, { ...env, WORKER_NAME: name });
      });
    const fleet = new Fleet(start('api', APIS), start('worker', WORKERS));
    cleanups.add(() => fleet.stop());
    await Promise.all(fleet.all.map(({ ready }) => ready));
    return fleet;
  }

  get all(): readonly AppProcess[] {
    return [...this.apis, ...this.workers];
  }

  /** How many packages the workers were given so far. */
  get inspected(): number {
    return this.workers.reduce((sum, { inspected }) => sum + inspected.length, 0);
  }

  get problems(): string[] {
    return this.all.flatMap(({ problem }) => problem ?? []);
  }

  /** Does not wait for `work` when an API process has ended before its time, or the last of the workers. */
  async use<T>(work: Promise<T>): Promise<T> {
    const lost = this.#untilLost();
    try {
      return await Promise.race([work, lost]);
    } catch (error) {
      // A request fails a moment before it is known that the process which it went to has ended.
      await Promise.race([lost, delay(500)]);
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((app) => app.stop()));
  }

  async #untilLost(): Promise<never> {
    const lastWorker = Promise.all(this.workers.map(({ ended }) => ended));
    await Promise.race([...this.apis.map(({ ended }) => ended), lastWorker]);
    throw new Error(`${this.problems.join('; ')}.`);
  }
}
