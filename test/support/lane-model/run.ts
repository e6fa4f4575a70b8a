import { GROUP } from '../../../libs/elkmq/src/model/keys.js';
import { redis } from '../queue.js';
import { LaneCalls } from './calls.js';
import { ModelState, nameOf, type Held, type Message, type Worker } from './state.js';

export interface ModelOptions {
  readonly seed: number;
  readonly operations: number;
  /** Whether lanes whose head is gone are healed. Healing hides a missing release. */
  readonly isSwept: boolean;
  /** Whether entries, the stream and the group are deleted by hand. */
  readonly hasHands: boolean;
}

type Operation = () => Promise<void>;

/** Workers, clients and hands that act on one queue in random order, and a model that says what must come of it. */
export class LaneModel {
  readonly #options: ModelOptions;
  readonly #calls: LaneCalls;
  readonly #state = new ModelState();
  readonly #operations: readonly (readonly [weight: number, run: Operation])[];
  #workers: Worker[] = [];
  readonly #zombies: Worker[] = [];
  readonly #letters: Message[] = [];
  #seed: number;
  #workerNumber = 0;
  #messageNumber = 0;

  constructor(queue: string, options: ModelOptions) {
    this.#options = options;
    this.#seed = options.seed;
    this.#calls = new LaneCalls(queue);
    for (let n = 0; n < 4; n++) this.#addWorker();
    this.#operations = [
      [16, () => this.#store()],
      [26, () => this.#read(this.#pick(this.#workers))],
      [24, () => this.#settle(this.#pick(this.#workers))],
      [6, () => this.#retry(this.#pick(this.#workers))],
      [7, () => this.#promote()],
      [7, () => this.#putBack(this.#pick(this.#workers))],
      [3, () => this.#bury(this.#pick(this.#workers))],
      [6, () => this.#cancel()],
      [2, () => this.#settle(this.#pick(this.#zombies))],
      [1.5, () => this.#kill()],
      [1, () => this.#revive()],
      [0.5, () => this.#removeLetter()],
      [1, () => this.#remove()],
      ...(options.hasHands ? [[0.5, () => this.#deleteByHand()] as const] : []),
      ...(options.isSwept ? [[1.5, () => this.#calls.heal()] as const] : []),
    ];
  }

  /** @returns what was not as it must be */
  async run(): Promise<readonly string[]> {
    await this.#makeGroup();
    const total = this.#operations.reduce((sum, [weight]) => sum + weight, 0);
    for (let n = 0; n < this.#options.operations; n++) {
      let left = this.#random() * total;
      const [, operation] = this.#operations.find(([weight]) => (left -= weight) < 0) ?? [];
      await operation?.();
      if (n % 25 === 0) await this.#check();
    }
    await this.#drain();
    return this.#state.errors;
  }

  async #store(): Promise<void> {
    const messages: Message[] = [];
    const delays: number[] = [];
    for (let n = 1 + this.#below(5); n > 0; n--) {
      const delay = this.#chance(0.1) ? 1 + this.#below(30) : 0;
      const isRequest = this.#chance(0.4);
      delays.push(delay);
      messages.push({
        number: ++this.#messageNumber,
        key: this.#chance(0.75) ? `key ${String(this.#below(5))}` : '',
        isRequest,
        isDeduplicated: isRequest && this.#chance(0.5),
        isExpired: delay === 0 && this.#chance(0.1),
        isPlaceless: delay > 0,
        origin: '',
        isCancelled: false,
        runsAt: undefined,
        end: undefined,
        isLoose: false,
      });
    }
    const call = this.#calls.enqueue(messages, delays);
    const ids = await call();
    if (this.#chance(0.1) && (await call()).join() !== ids.join())
      this.#state.report('a batch that was sent twice has two answers');
    for (const [index, message] of messages.entries()) {
      message.origin = ids[index] ?? '';
      this.#state.add(message);
    }
  }

  async #read(worker: Worker): Promise<void> {
    const { eventStream } = this.#calls.keys;
    const answer = (await redis.xreadgroup(
      ...(['GROUP', GROUP, worker.consumer, 'COUNT', 1 + this.#below(10)] as const),
      ...(['STREAMS', eventStream, '>'] as const),
    )) as [string, [string, string[]][]][] | null;
    const read: Held[] = [];
    for (const [id, fields] of answer?.[0]?.[1] ?? []) {
      if (fields[0] === 'due') {
        await redis.xdel(eventStream, id);
        await redis.xack(eventStream, GROUP, id);
        continue;
      }
      const message = this.#messageOf(id, fields);
      if (!message) continue;
      const attempt = Number(fields[fields.indexOf('attempt') + 1] ?? 1) || 1;
      const held = { id, fields, attempt, message, read };
      read.push(held);
      worker.held.set(id, held);
      this.#state.start(held, worker);
    }
  }

  #messageOf(id: string, fields: readonly string[]): Message | undefined {
    const at = fields.indexOf('origin');
    const origin = at < 0 ? id : (fields[at + 1] ?? '');
    const known = this.#state.byOrigin.get(origin);
    if (known) return known;
    const number = Number(/"request_uuid":(\d+)/.exec(fields[1] ?? '')?.[1]);
    const revived = this.#state.revived.get(number);
    if (revived) this.#state.bind(revived, origin);
    else this.#state.report(`nobody has sent the entry ${id}`);
    this.#state.revived.delete(number);
    return revived;
  }

  async #settle(worker: Worker | undefined): Promise<void> {
    if (!worker) return;
    let held = [...worker.held.values()];
    const read = held.length > 0 ? this.#pick(held).read : [];
    const isRange = this.#chance(0.5) && read.length > 1 && read.every(({ id }) => worker.held.has(id));
    held = isRange ? [...read] : held.filter(() => this.#chance(0.5));
    const isPlain = held.every(({ message }) => !message.isDeduplicated);
    for (const each of held.filter(({ message }) => message.isDeduplicated))
      this.#settled(each, worker, await this.#calls.settleDeduplicated(each));
    held = held.filter(({ message }) => !message.isDeduplicated);
    if (held.length === 0) return;
    const lost = await this.#calls.settle(held, isRange && isPlain);
    if (this.#chance(0.1)) await this.#calls.settle(held, isRange && isPlain);
    for (const each of held) this.#settled(each, worker, !lost.includes(each.id));
  }

  #settled(held: Held, worker: Worker, isDone: boolean): void {
    const { message } = held;
    this.#letGo(held, worker);
    if (isDone) {
      if (worker.isGone && !message.isLoose)
        this.#state.report(`a worker that is gone settled ${nameOf(message)}`);
      this.#state.ended(message, 'settled');
    } else if (!worker.isGone) this.#wasTaken(message);
  }

  async #retry(worker: Worker): Promise<void> {
    const held = this.#takeHeld(worker);
    if (held && !(await this.#calls.delay(held, this.#below(20)))) this.#wasTaken(held.message);
  }

  /** Messages that were sent with a delay get their place when they are promoted, in the order of their due times. */
  async #promote(): Promise<void> {
    const { delayed } = this.#calls.keys;
    const before = await redis.zrange(delayed, 0, -1);
    await this.#calls.promote();
    const after = new Set(await redis.zrange(delayed, 0, -1));
    for (const origin of before.filter((each) => !after.has(each))) {
      const message = this.#state.byOrigin.get(origin);
      if (message?.isPlaceless) this.#state.lineUp(message);
    }
  }

  async #putBack(worker: Worker): Promise<void> {
    const held = this.#takeHeld(worker);
    if (held) await this.#calls.requeue(held.id, this.#below(2), '');
  }

  async #bury(worker: Worker): Promise<void> {
    const held = this.#takeHeld(worker);
    if (!held) return;
    if (!(await this.#buryHeld(held, ''))) this.#wasTaken(held.message);
  }

  /** @returns whether the message is a dead letter now */
  async #buryHeld(held: Held, consumer: string): Promise<boolean> {
    const { message } = held;
    const holdsKey = this.#chance(0.3);
    if (!(await this.#calls.bury(held, consumer, holdsKey))) return false;
    this.#state.ended(message, 'dead');
    this.#letters.push(message);
    if (!holdsKey || message.key === '') return true;
    message.holdsKey = (await redis.hget(this.#calls.keys.held, message.origin)) === message.key;
    // Somebody else may be the head of the lane of a loose one.
    if (!message.holdsKey && !message.isLoose) this.#state.report(`${nameOf(message)} does not hold its key`);
    return true;
  }

  async #revive(): Promise<void> {
    const letter = this.#letters[this.#below(this.#letters.length)];
    if (!letter || this.#state.revived.has(letter.number)) return;
    this.#letters.splice(this.#letters.indexOf(letter), 1);
    if (!(await this.#calls.revive(letter.origin))) return;
    const holdsKey = letter.holdsKey;
    letter.holdsKey = false;
    const anew = { origin: '', end: undefined, runsAt: undefined, isCancelled: false, isLoose: false };
    const message = { ...letter, ...anew, isRequest: false, isDeduplicated: false };
    this.#state.revived.set(message.number, message);
    if (holdsKey) this.#state.takePlace(message, letter);
    else this.#state.add(message);
  }

  async #removeLetter(): Promise<void> {
    if (this.#letters.length === 0) return;
    const [letter] = this.#letters.splice(this.#below(this.#letters.length), 1) as [Message];
    const [removed] = await this.#calls.removeLetters([letter.origin]);
    if (removed !== 1) this.#state.report(`no letter ${nameOf(letter)}`);
    letter.holdsKey = false;
  }

  async #cancel(): Promise<void> {
    const open = this.#state.messages.filter((each) => each.isRequest && !each.end && !each.isCancelled);
    if (open.length === 0) return;
    const message = this.#pick(open);
    message.isCancelled = true;
    if (await this.#calls.cancel(message)) this.#state.ended(message, 'cancelled');
  }

  /** An operator removes a message that waits. */
  async #remove(): Promise<void> {
    const entries = await this.#calls.entries();
    if (entries.length === 0) return;
    const { id, fields } = this.#pick(entries);
    const message = fields[0] === 'due' ? undefined : this.#messageOf(id, fields);
    if (message && (await this.#calls.remove(id))) this.#state.ended(message, 'removed');
  }

  /** A worker is given up. It goes on as a zombie, while others put back or bury what it had. */
  async #kill(): Promise<void> {
    const worker = this.#pick(this.#workers);
    this.#workers = this.#workers.filter((each) => each !== worker);
    this.#zombies.push(worker);
    worker.isGone = true;
    this.#addWorker();
    for (const held of worker.held.values()) {
      if (held.message.runsAt === worker) held.message.runsAt = undefined;
      if (this.#chance(0.5)) await this.#calls.requeue(held.id, 1, worker.consumer);
      else await this.#buryHeld(held, worker.consumer);
    }
  }

  async #deleteByHand(): Promise<void> {
    const { eventStream, history } = this.#calls.keys;
    const entries = await this.#calls.entries();
    const [last] = entries.slice(-1);
    switch (this.#below(5)) {
      case 0:
        for (const { id, fields } of entries.slice(0, 1)) this.#loosen(id, fields, true);
        if (entries[0]) await redis.xdel(eventStream, entries[0].id);
        return;
      case 1:
        for (const { id, fields } of entries.slice(0, 3)) this.#loosen(id, fields, true);
        await redis.xtrim(eventStream, 'MAXLEN', Math.max(entries.length - 3, 0));
        return;
      case 2:
        for (const { id, fields } of entries) this.#loosen(id, fields, false);
        await redis.xgroup('DESTROY', eventStream, GROUP);
        return this.#makeGroup();
      case 3:
        for (const { id, fields } of entries) this.#loosen(id, fields, true);
        await redis.del(eventStream);
        await this.#nextMillisecond();
        return this.#makeGroup();
      default:
        // The group begins behind all entries, as on a stream that legacy clients have used. What nobody has
        // taken keeps its order.
        if (!last) return;
        for (const { id, fields } of entries) this.#loosen(id, fields, false, true);
        await redis.xgroup('DESTROY', eventStream, GROUP);
        await redis.xgroup('CREATE', eventStream, GROUP, last.id);
        await redis.hset(history, { from: '-', start: last.id, until: last.id });
        await this.#calls.cleanHistory();
    }
  }

  #loosen(id: string, fields: readonly string[], isGone: boolean, onlyTaken = false): void {
    const message = fields[0] === 'due' ? undefined : this.#messageOf(id, fields);
    if (!message || (onlyTaken && !this.#isTaken(id))) return;
    message.isLoose = true;
    if (isGone && !message.runsAt) message.end ??= 'by hand';
  }

  #isTaken(id: string): boolean {
    return [...this.#workers, ...this.#zombies].some(({ held }) => held.has(id));
  }

  /** Everything ends when nothing new comes. */
  async #drain(): Promise<void> {
    const { eventStream, delayed, lanes, laneBodies, held } = this.#calls.keys;
    for (const origin of await redis.hkeys(held)) {
      await this.#calls.removeLetters([origin]);
      const letter = this.#state.byOrigin.get(origin);
      if (letter) letter.holdsKey = false;
    }
    const deadline = Date.now() + 10_000;
    const left = async () =>
      (await redis.xlen(eventStream)) +
      (await redis.zcard(delayed)) +
      (await redis.hlen(laneBodies)) +
      (await redis.hlen(lanes)) +
      (await redis.hlen(held));
    while ((await left()) > 0 && Date.now() < deadline) {
      await this.#promote();
      if (this.#options.isSwept) await this.#calls.heal();
      for (const worker of this.#workers) {
        await this.#read(worker);
        await this.#settle(worker);
      }
    }
    if ((await left()) > 0)
      this.#state.report(`left over: ${JSON.stringify(await redis.hgetall(lanes))}, ${String(await left())}`);
    for (const message of this.#state.messages) {
      if (message.end !== undefined || message.isLoose || this.#state.isDroppable(message)) continue;
      this.#state.report(`${nameOf(message)} has never ended`);
    }
  }

  /** A key has one entry in the stream, and the counts agree. Healing may still have to come after hands. */
  async #check(): Promise<void> {
    if (this.#options.hasHands) return;
    const { lanes, laneBodies } = this.#calls.keys;
    const seen = new Set<string>();
    for (const { fields } of await this.#calls.entries()) {
      const at = fields.indexOf('ordering_key');
      const key = at < 0 ? undefined : fields[at + 1];
      if (key === undefined) continue;
      if (seen.has(key)) this.#state.report(`${key} has two entries in the stream`);
      seen.add(key);
    }
    const { '': blocked = '0', ...texts } = await redis.hgetall(lanes);
    for (const [key, text] of Object.entries(texts))
      if (text.includes(' x ') && seen.has(key)) this.#state.report(`${key} is held, and has an entry`);
    const waits = Object.values(texts).map((text) => {
      const [, , first = 1, last = 0] = text.split(' ').map(Number);
      return last - first + 1;
    });
    const waiting = waits.reduce((sum, count) => sum + count, 0);
    if (waiting !== (await redis.hlen(laneBodies))) this.#state.report('lanes and bodies disagree');
    if (waits.filter((count) => count > 0).length !== Number(blocked))
      this.#state.report(`the count of blocked keys is wrong: ${blocked}`);
  }

  #wasTaken(message: Message): void {
    if (!message.isLoose) this.#state.report(`a live worker lost ${nameOf(message)}`);
  }

  #takeHeld(worker: Worker): Held | undefined {
    if (worker.held.size === 0) return undefined;
    const held = this.#pick([...worker.held.values()]);
    this.#letGo(held, worker);
    return held;
  }

  #letGo({ id, message }: Held, worker: Worker): void {
    worker.held.delete(id);
    if (message.runsAt === worker) message.runsAt = undefined;
  }

  #addWorker(): void {
    // The lease, 50 ms, is over soon: a lane whose deleted head is still pending must heal.
    const consumer = `w${String(++this.#workerNumber)}.1.50`;
    this.#workers.push({ consumer, held: new Map(), isGone: false });
  }

  /** A stream that was deleted could make an id of the same millisecond again. */
  async #nextMillisecond(): Promise<void> {
    const now = async (): Promise<number> => {
      const [seconds, micros] = await redis.time();
      return Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
    };
    const begin = await now();
    while ((await now()) === begin);
  }

  async #makeGroup(): Promise<void> {
    await redis.xgroup('CREATE', this.#calls.keys.eventStream, GROUP, '0', 'MKSTREAM');
  }

  /** A linear congruential generator: the same seed makes the same choices. */
  #random(): number {
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed / 2 ** 32;
  }

  #below(count: number): number {
    return Math.floor(this.#random() * count);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T;
  }
}
