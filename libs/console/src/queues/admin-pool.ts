import { ConnectionError, QueueAdmin } from 'elkmq';
import type { ConsoleOptions } from '../options.js';

/** The time after which an admin that nobody has used is closed, ms. */
const IDLE_MS = 60_000;

interface PooledAdmin {
  readonly admin: QueueAdmin;
  /** The calls that use it now. */
  users: number;
  timer: NodeJS.Timeout | undefined;
}

/** The admins of the queues that somebody looks at. Each has a connection, so they are closed when idle. */
export class AdminPool {
  readonly #options: ConsoleOptions;
  readonly #admins = new Map<string, PooledAdmin>();
  #isClosed = false;

  constructor(options: ConsoleOptions) {
    this.#options = options;
  }

  /**
   * Lends the admin of a queue until `use` is done.
   * @throws {ConnectionError} when the pool is closed: a request may have waited for `authorize` or `identify`
   */
  async withAdmin<T>(queue: string, use: (admin: QueueAdmin) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw consoleIsClosed();
    const pooled = this.#admins.get(queue) ?? this.#open(queue);
    clearTimeout(pooled.timer);
    pooled.users++;
    try {
      return await use(pooled.admin);
    } finally {
      pooled.users--;
      if (pooled.users === 0) this.#closeLater(queue, pooled);
    }
  }

  async closeAdmins(): Promise<void> {
    this.#isClosed = true;
    const open = [...this.#admins.values()];
    this.#admins.clear();
    for (const { timer } of open) clearTimeout(timer);
    await Promise.all(open.map(({ admin }) => admin.close()));
  }

  #open(queue: string): PooledAdmin {
    const { redis, credentials } = this.#options;
    const pooled = { admin: new QueueAdmin(queue, redis, { credentials }), users: 0, timer: undefined };
    this.#admins.set(queue, pooled);
    return pooled;
  }

  #closeLater(queue: string, pooled: PooledAdmin): void {
    if (this.#admins.get(queue) !== pooled) return;
    pooled.timer = setTimeout(() => {
      this.#admins.delete(queue);
      void pooled.admin.close();
    }, IDLE_MS).unref();
  }
}

/** The error of a request that comes to Redis when the console is closed. */
export function consoleIsClosed(): ConnectionError {
  return new ConnectionError('The console is closed.');
}
