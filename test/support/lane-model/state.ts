/** A message as the model knows it. */
export interface Message {
  /** Its number, which is its request uuid too. */
  readonly number: number;
  /** Its ordering key; empty when it has none. */
  readonly key: string;
  readonly isRequest: boolean;
  readonly isDeduplicated: boolean;
  /** Nobody waits for it from the beginning: its timeout is over. */
  readonly isExpired: boolean;
  /** It was sent with a delay, and has no place in the line of its key yet. */
  isPlaceless: boolean;
  origin: string;
  isCancelled: boolean;
  /** The worker that runs it. */
  runsAt: Worker | undefined;
  /** What has ended it. */
  end: string | undefined;
  /** Somebody has deleted its entry, or the group, by hand: it may run twice, or not at all. */
  isLoose: boolean;
  /** It is a dead letter, and those behind it wait for it. */
  holdsKey?: boolean;
}

/** An entry that a worker holds. */
export interface Held {
  readonly id: string;
  readonly fields: readonly string[];
  readonly attempt: number;
  readonly message: Message;
  /** All entries of its read. */
  readonly read: readonly Held[];
}

export interface Worker {
  readonly consumer: string;
  readonly held: Map<string, Held>;
  isGone: boolean;
}

/** What the model expects, and where Redis has done otherwise. */
export class ModelState {
  readonly errors: string[] = [];
  readonly byOrigin = new Map<string, Message>();
  readonly messages: Message[] = [];
  /** The messages of each ordering key, in order. */
  readonly #lines = new Map<string, Message[]>();
  /** Messages that were dead letters and have no origin yet, by number. */
  readonly revived = new Map<number, Message>();
  /** The highest entry of each key that was started. */
  readonly #tokens = new Map<string, readonly [number, number]>();

  report(text: string): void {
    this.errors.push(text);
  }

  add(message: Message): void {
    this.messages.push(message);
    if (message.origin !== '') this.bind(message, message.origin);
    if (!message.isPlaceless) this.lineUp(message);
  }

  bind(message: Message, origin: string): void {
    if (this.byOrigin.has(origin)) this.report(`two messages have the id ${origin}`);
    this.byOrigin.set(origin, message);
    message.origin = origin;
  }

  /** The message gets its place behind those of its key. */
  lineUp(message: Message): void {
    message.isPlaceless = false;
    if (message.key === '') return;
    const line = this.#lines.get(message.key);
    if (line) line.push(message);
    else this.#lines.set(message.key, [message]);
  }

  /** The message has the place of a dead letter of its key. */
  takePlace(message: Message, letter: Message): void {
    const line = this.#lines.get(message.key) ?? [];
    line.splice(line.indexOf(letter), 1, message);
    this.messages.push(message);
  }

  /** A worker has been handed the message, and starts it. */
  start({ id, message }: Held, worker: Worker): void {
    const { key } = message;
    if (key === '') {
      message.runsAt = worker;
      return;
    }
    if (!message.isLoose) {
      this.#checkToken(key, id);
      if (message.end !== undefined) this.report(`${nameOf(message)} starts after its end: ${message.end}`);
      if (message.runsAt && message.runsAt !== worker) this.report(`${nameOf(message)} runs twice at once`);
    }
    const line = this.#lines.get(key) ?? [];
    for (const earlier of line.slice(0, line.indexOf(message))) this.#checkBefore(earlier, message);
    for (const other of line) {
      if (other.holdsKey) this.report(`${nameOf(message)} starts behind the dead letter ${nameOf(other)}`);
      if (other === message || !other.runsAt || other.isLoose || other.runsAt.isGone) continue;
      this.report(`${nameOf(message)} starts while ${nameOf(other)} runs`);
    }
    message.runsAt = worker;
    // What has ended is of no more interest. A loose one can come again.
    this.#lines.set(
      key,
      line.filter((each) => each.end === undefined || each.isLoose || each.holdsKey),
    );
  }

  /** Whether the scripts may have dropped it while it waited. */
  isDroppable({ isRequest, isDeduplicated, isCancelled, isExpired }: Message): boolean {
    return isRequest && (isCancelled || (isExpired && !isDeduplicated));
  }

  ended(message: Message, how: string): void {
    if (message.end !== undefined && !message.isLoose)
      this.report(`${nameOf(message)} has ended twice: ${message.end}, then ${how}`);
    message.end = how;
  }

  #checkBefore(earlier: Message, message: Message): void {
    if (earlier.end !== undefined) return;
    if (earlier.isLoose) earlier.end = 'by hand';
    else if (this.isDroppable(earlier)) earlier.end = 'dropped';
    else this.report(`${nameOf(message)} starts before ${nameOf(earlier)}`);
  }

  #checkToken(key: string, id: string): void {
    const [time = 0, number = 0] = id.split('-').map(Number);
    const before = this.#tokens.get(key);
    if (before && (time < before[0] || (time === before[0] && number <= before[1])))
      this.report(`the token of ${key} has not risen: ${id} after ${before.join('-')}`);
    this.#tokens.set(key, [time, number]);
  }
}

export function nameOf({ key, number, origin }: Message): string {
  return `${key || 'a plain message'} ${String(number)} (${origin})`;
}
