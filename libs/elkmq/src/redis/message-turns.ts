/**
 * When more messages wait, all are received at once. Then there is enough for the other side to do while this
 * one goes on, and one large batch costs less than several small ones.
 */
const MOST_WAITING = 2;

/**
 * Hands out the messages of a subscription, one in each turn of the event loop, so that what is sent in
 * answer to it is one batch. Two messages in one turn would make one batch of two, and they would stay
 * together from then on: see "Replies that are pushed" in docs/performance.md.
 */
export class MessageTurns {
  readonly #received: (message: string) => void;
  /** The messages that have come and are received in later turns. */
  #waiting: string[] = [];
  /** Whether this turn has received a message. */
  #isTurnOver = false;

  constructor(received: (message: string) => void) {
    this.#received = received;
  }

  addMessage(message: string): void {
    this.#waiting.push(message);
    if (!this.#isTurnOver) this.#receiveNext();
  }

  /** Drops the messages that wait. */
  dropMessages(): void {
    this.#waiting = [];
  }

  /** Resolves when no message waits. */
  async whenReceived(): Promise<void> {
    while (this.#waiting.length > 0) await new Promise(setImmediate);
  }

  readonly #receiveNext = (): void => {
    const count = this.#waiting.length > MOST_WAITING ? this.#waiting.length : 1;
    const messages = this.#waiting.splice(0, count);
    this.#isTurnOver = messages.length > 0;
    if (!this.#isTurnOver) return;
    setImmediate(this.#receiveNext);
    for (const message of messages) this.#received(message);
  };
}
