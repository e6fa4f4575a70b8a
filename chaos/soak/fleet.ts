import { Child } from '../../bench/child.js';
import type { Answer, Command } from './commands.js';
import type { Sample } from './trend.js';

/** A process, and what its heap was at each sample. */
interface Life {
  readonly child: Child<Command, Answer>;
  readonly startedAt: number;
  readonly samples: Sample[];
}

/** The processes of the soak. A worker that is killed is started again: that is another life. */
export class Fleet {
  readonly clients: Life[] = [];
  readonly workers: Life[] = [];
  /** Lives of workers that were killed. */
  readonly ended: Life[] = [];
  readonly #url: string;
  readonly #interrupt: AbortSignal;

  constructor(url: string, interrupt: AbortSignal) {
    this.#url = url;
    this.#interrupt = interrupt;
  }

  async start(workers: number, clients: number): Promise<void> {
    for (let i = 0; i < workers; i++) this.workers.push(await this.#launch('worker'));
    for (let i = 0; i < clients; i++) this.clients.push(await this.#launch('client'));
  }

  /** Asks all clients at once. */
  askClients(command: Command, ms = 0): Promise<Answer[]> {
    return Promise.all(this.clients.map(({ child }) => child.ask(command, ms)));
  }

  /** @param now minutes since the start @param warmUp minutes at the start of each life that do not count */
  async sample(now: number, warmUp: number): Promise<void> {
    for (const { child, startedAt, samples } of [...this.workers, ...this.clients]) {
      const { heapBytes } = await child.ask({ do: 'sample' }, 0);
      if (now - startedAt >= warmUp) samples.push({ minute: now, value: heapBytes });
    }
  }

  /** Kills the last worker and starts another in its place. The first one lives as long as the soak. */
  async killWorker(now: number): Promise<void> {
    const life = this.workers.pop();
    if (!life) return;
    await life.child.kill();
    this.ended.push(life);
    this.workers.push(await this.#launch('worker', now));
  }

  async stop(): Promise<void> {
    await Promise.all(this.clients.map(({ child }) => child.stop()));
    await Promise.all(this.workers.map(({ child }) => child.stop()));
  }

  async #launch(script: 'worker' | 'client', startedAt = 0): Promise<Life> {
    const url = new URL(`./${script}.js`, import.meta.url);
    const child = await Child.start<Command, Answer>(`a ${script}`, url, [this.#url], this.#interrupt);
    return { child, startedAt, samples: [] };
  }
}
