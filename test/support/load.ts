import { setTimeout as sleep } from 'node:timers/promises';
import type { ElkMqClientSettings, ElkMqQueueAddress } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { events, moduleOf, requests, startApp, startClient } from './nest.js';
import { until } from './queue.js';

/** Between two events of one of the senders, ms. */
const PAUSE = 5;
const SENDERS = 4;

/** A worker, and a client that sends it events one after the other, whatever becomes of Redis meanwhile. */
export class Load {
  /** Events that were emitted without an error. */
  readonly stored: number[] = [];
  readonly handled = new Set<number>();
  refused = 0;
  #next = 1;
  #isOver = false;
  readonly #senders: Promise<void>[] = [];

  private constructor(private readonly client: ReturnType<typeof startClient>) {}

  static async start(
    options: ElkMqClientSettings & ElkMqQueueAddress & Required<Pick<ElkMqClientSettings, 'redis'>>,
  ): Promise<Load> {
    const { queue, redis } = options;
    const load = new Load(startClient(options));
    const note = (id: number): void => {
      load.handled.add(id);
    };
    const handlers = [events({ note }), requests({ double: (value: number) => value * 2 })];
    await startApp(moduleOf(...handlers), { queue, redis });
    for (let n = 0; n < SENDERS; n++) load.#senders.push(load.#sendEvents());
    return load;
  }

  /** Waits until so many more events are stored. */
  async stores(count: number): Promise<void> {
    const before = this.stored.length;
    await until(() => this.stored.length >= before + count);
  }

  /** A request that is answered, tried until it is. */
  async isAnswered(): Promise<void> {
    await until(async () => {
      try {
        return (await lastValueFrom(this.client.send<number>('double', 21))) === 42;
      } catch {
        return false;
      }
    });
  }

  /** Sends no more, and waits until `ids` are handled. @returns those that are not, when a minute has passed */
  async end(ids: readonly number[] = this.stored): Promise<number[]> {
    this.#isOver = true;
    await Promise.all(this.#senders);
    const missing = () => ids.filter((id) => !this.handled.has(id));
    await until(() => missing().length === 0).catch(() => undefined);
    return missing();
  }

  async #sendEvents(): Promise<void> {
    while (!this.#isOver) {
      const id = this.#next++;
      try {
        await lastValueFrom(this.client.emit('note', id), { defaultValue: undefined });
        this.stored.push(id);
      } catch {
        this.refused++;
      }
      await sleep(PAUSE);
    }
  }
}
