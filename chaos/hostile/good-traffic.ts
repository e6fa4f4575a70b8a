import { ElkMqRecordBuilder, type ElkMqClient } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';

/** Requests and events that are as they should be, between the hostile ones. */
export class GoodTraffic {
  requests = 0;
  answered = 0;
  events = 0;
  slowestMs = 0;
  readonly problems: string[] = [];
  readonly #client: ElkMqClient;
  readonly #waiting = new Set<Promise<void>>();

  constructor(client: ElkMqClient) {
    this.#client = client;
  }

  /** Sends `count` requests and as many events, a part of them delayed. */
  send(count: number): void {
    for (let sent = 0; sent < count; sent++) {
      this.#watch(this.#ask(++this.requests));
      this.#watch(this.#emit(++this.events));
    }
  }

  /** Resolves when every request has its answer, or an error. */
  async answers(): Promise<void> {
    while (this.#waiting.size > 0) await Promise.all(this.#waiting);
  }

  #watch(call: Promise<void>): void {
    const watched: Promise<void> = call
      .catch((error: unknown) => void this.problems.push(String(error)))
      .finally(() => this.#waiting.delete(watched));
    this.#waiting.add(watched);
  }

  async #ask(id: number): Promise<void> {
    const start = performance.now();
    const answer = await lastValueFrom(this.#client.send<{ id?: number } | null>('ask', { id }));
    this.slowestMs = Math.max(this.slowestMs, performance.now() - start);
    if (answer?.id === id) this.answered++;
    else this.problems.push(`request ${id} was answered with ${JSON.stringify(answer)}`);
  }

  async #emit(id: number): Promise<void> {
    const delay = id % 4 === 0 ? 20 : 0;
    const event = new ElkMqRecordBuilder({ id }).setDelay(delay).build();
    await lastValueFrom(this.#client.emit('note', event), { defaultValue: undefined });
  }
}
