import { setTimeout as sleep } from 'node:timers/promises';
import { ElkMqClient, ElkMqServer, type QueueState } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { startServers, type Kind } from './redis-kinds.js';
import { Rotation } from './rotation.js';

const QUEUE = 'orders';
const WORKERS = 2;
/** How long what is still on its way at the end may take, ms. */
const TIMEOUT_MS = 30_000;

export interface CampaignOptions {
  readonly kind: Kind;
  /** So many requests and as many events; at least one for each rotation. */
  readonly messages: number;
  readonly rotations: number;
  /** From one rotation to the next, ms. */
  readonly pauseMs: number;
}

export interface CampaignResult extends CampaignOptions {
  readonly seconds: number;
  /** What became of the messages, by number. */
  readonly answered: number;
  readonly emitted: number;
  readonly lost: number;
  readonly startedTwice: number;
  readonly slowestMs: number;
  /** The first error that a caller saw. */
  readonly error: string | undefined;
  /** What is left in the queue. */
  readonly state: QueueState;
  /** How many passwords the functions of clients and workers have answered, and how often these were asked, and failed. */
  readonly passwords: number;
  readonly asked: number;
  readonly failed: number;
}

/** Sends messages while the password of everybody changes, and counts what became of each. */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const servers = await startServers(options.kind);
  const closing: (() => Promise<unknown>)[] = [];
  try {
    const rotation = await Rotation.begin(servers);
    const common = () => ({ queue: QUEUE, ...servers.source(), credentials: rotation.credentials });
    const traffic = new Traffic();
    for (let n = 0; n < WORKERS; n++) {
      const server = new ElkMqServer(common());
      closing.push(() => server.close());
      server.addHandler('request', (id: number) => Promise.resolve(traffic.started(`request ${id}`, id)));
      server.addHandler('event', (id: number) => Promise.resolve(traffic.started(`event ${id}`, id)), true);
      await new Promise<void>((resolve, reject) => {
        server.listen((error) => (error ? reject(error) : resolve()));
      });
    }
    const client = new ElkMqClient(common());
    closing.push(() => client.close());
    return await run(options, rotation, traffic, client);
  } finally {
    await Promise.all(closing.map((close) => close()));
    await servers.stop();
  }
}

async function run(
  options: CampaignOptions,
  rotation: Rotation,
  traffic: Traffic,
  client: ElkMqClient,
): Promise<CampaignResult> {
  const begin = performance.now();
  const { messages, rotations, pauseMs } = options;
  for (let round = 0; round < rotations; round++) {
    const rotated = rotation.next(pauseMs);
    const [from, to] = [round, round + 1].map((n) => Math.floor((n * messages) / rotations)) as [
      number,
      number,
    ];
    const roundBegin = performance.now();
    for (let id = from; id < to - 1; id++) {
      traffic.send(client, id);
      const due = roundBegin + ((id - from + 1) * pauseMs) / (to - from);
      if (due > performance.now() + 1) await sleep(due - performance.now());
    }
    await rotated;
    // With the new password.
    traffic.send(client, to - 1);
    await traffic.settled(TIMEOUT_MS);
  }
  const deadline = performance.now() + TIMEOUT_MS;
  let state = await client.state();
  while (state.waiting + state.running > 0 && performance.now() < deadline) {
    await sleep(50);
    state = await client.state();
  }
  const { asked, failed, passwords } = rotation;
  const seconds = (performance.now() - begin) / 1_000;
  return {
    ...options,
    seconds,
    ...traffic.result(messages),
    state,
    passwords: passwords.size,
    asked,
    failed,
  };
}

/** What callers and handlers have seen. */
class Traffic {
  readonly #starts = new Map<string, number>();
  readonly #pending = new Set<Promise<void>>();
  #answered = 0;
  #emitted = 0;
  #slowestMs = 0;
  #error: string | undefined;

  started(what: string, id: number): number {
    this.#starts.set(what, (this.#starts.get(what) ?? 0) + 1);
    return id;
  }

  send(client: ElkMqClient, id: number): void {
    this.#follow(lastValueFrom(client.send<number>('request', id)), (answer) => {
      if (answer === id) this.#answered++;
    });
    this.#follow(lastValueFrom(client.emit('event', id), { defaultValue: undefined }), () => {
      this.#emitted++;
    });
  }

  /** Resolves when nothing is on its way, or after `timeoutMs`. */
  async settled(timeoutMs: number): Promise<void> {
    await Promise.race([Promise.all(this.#pending), sleep(timeoutMs, undefined, { ref: false })]);
  }

  result(messages: number) {
    const starts = [...this.#starts.values()];
    return {
      answered: this.#answered,
      emitted: this.#emitted,
      lost: 2 * messages - starts.length,
      startedTwice: starts.filter((count) => count > 1).length,
      slowestMs: this.#slowestMs,
      error: this.#error,
    };
  }

  #follow<T>(call: Promise<T>, done: (value: T) => void): void {
    const begin = performance.now();
    const followed = call
      .then(done, (error: unknown) => {
        this.#error ??= String(error);
      })
      .finally(() => {
        this.#slowestMs = Math.max(this.#slowestMs, performance.now() - begin);
        this.#pending.delete(followed);
      });
    this.#pending.add(followed);
  }
}
