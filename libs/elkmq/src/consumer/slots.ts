/** The number of messages that a worker has in hand. */
export interface InHandCount {
  /** The messages whose outcome Redis has not confirmed, and those that legacy consumers may still take. */
  readonly taken: number;
  /** Those among them whose outcome has been sent to Redis. */
  readonly confirming: number;
}

/** One worker among those that share slots. */
export interface SlotUser {
  countInHand(): InHandCount;
  /** The number of entries that its reads on their way may bring. */
  readonly asked: number;
  /** Reads again, because slots are free. */
  wakeReader(): void;
}

/**
 * The slots of a worker. A message takes one until its outcome has been sent to Redis. The same number of
 * messages may wait for the confirmation, so a round trip takes no slot.
 *
 * The workers of a queue's partitions share their slots. What their reads on their way may bring counts as
 * taken, so all of them together never bring more than there is room for. One read asks for no more than an
 * equal share, so each partition can have a read on its way.
 */
export class Slots {
  readonly #concurrency: number;
  readonly #users: SlotUser[] = [];
  /** The number of users. Without partitions there is one. */
  readonly #shares: number;
  /** The user that is woken first, the next time. */
  #first = 0;

  constructor(concurrency: number, shares = 1) {
    this.#concurrency = concurrency;
    this.#shares = shares;
  }

  /** The number of entries that one read may ask for. */
  get share(): number {
    return Math.max(1, Math.floor(this.#concurrency / this.#shares));
  }

  /** Whether there are several users. */
  get isShared(): boolean {
    return this.#shares > 1;
  }

  addUser(user: SlotUser): void {
    this.#users.push(user);
  }

  /** The number of slots that are free for a read of this user. */
  freeFor(user: SlotUser): number {
    let taken = 0;
    let confirming = 0;
    let asked = 0;
    for (const each of this.#users) {
      const inHand = each.countInHand();
      taken += inHand.taken;
      confirming += inHand.confirming;
      if (each !== user) asked += each.asked;
    }
    return this.#concurrency + Math.min(confirming, this.#concurrency) - taken - asked;
  }

  /** Tells all users to read again, because slots are free. They take turns in being the first. */
  wakeReaders(): void {
    const { length } = this.#users;
    const first = this.#first++ % length;
    for (let step = 0; step < length; step++) this.#users[(first + step) % length]?.wakeReader();
  }
}
