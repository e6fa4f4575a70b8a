import { Random } from '../random.js';
import type { ProcessArguments } from './process-arguments.js';

/** The kinds of messages, each with its share in a thousand. The kind is also the pattern. */
const SHARES = {
  event: 420,
  request: 430,
  'request with many values': 30,
  'event that is retried': 20,
  'event that fails': 10,
  'request that fails': 10,
  'event that is delayed': 15,
  'event that takes long': 5,
  'event that is sent twice': 20,
  'request that is sent twice': 20,
  'request that is impatient': 10,
  'request that is taken back': 10,
} as const;

export type Kind = keyof typeof SHARES;

/** A run with ordering keys: a third of the messages are requests. */
const ORDERED_SHARES: Readonly<Record<Kind, number>> = {
  ...SHARES,
  event: 565,
  request: 260,
  'request with many values': 20,
  'event that is retried': 50,
  'event that takes long': 1,
  'event that is sent twice': 19,
};

const KEYS = 10_000;
/** The key of every 30th message or so. */
export const HOT_KEY = 'hot';
/** The key of messages that all fail. */
export const FAILING_KEY = 'failing';
const HOT_SHARE = 0.03;
const FAILING_SHARE = 0.02;
/** The share of the messages without an ordering key, where the queue has partitions. */
const KEYLESS_SHARE = 0.3;

export interface Message {
  readonly number: number;
}

/** Times in ms. The lease is short, so that a run sees many of them end. */
export const LEASE = 2_000;
export const DRAIN_TIMEOUT = 1_000;
const REQUEST_TIMEOUT = 60_000;
/** Faults can last for a minute in all, and the messages of a hot key wait for each other. */
const ORDERED_REQUEST_TIMEOUT = 600_000;
/** A failover can lose a request. Its caller is to learn that before the run is over. */
const PARTITIONED_REQUEST_TIMEOUT = 30_000;
/** Of a request that is impatient, whose handler takes longer than that. */
export const IMPATIENCE = 100;
export const MAX_ATTEMPTS = 3;
export const VALUES = 5;
/** What a handler throws that is to fail. */
export const MEANT_ERROR = { message: 'as it should' };

export function isRequest(kind: Kind): boolean {
  return kind.startsWith('request');
}

/**
 * The messages of a run are numbered, and seed and number say what each is: clients, workers and the checker agree
 * without talking to each other.
 */
export class Load {
  /**
   * @param isOrdered whether messages have ordering keys
   * @param isPartitioned whether the queue has partitions. Some messages have no ordering key then.
   */
  constructor(
    private readonly seed: number,
    readonly isOrdered: boolean,
    private readonly isPartitioned = false,
  ) {}

  /** The load of a run, as its processes know it. */
  static of({ seed, isOrdered, cluster }: Pick<ProcessArguments, 'seed' | 'isOrdered' | 'cluster'>): Load {
    return new Load(seed, isOrdered, cluster !== undefined);
  }

  /** So long a caller waits, ms. */
  get requestTimeout(): number {
    if (this.isPartitioned) return PARTITIONED_REQUEST_TIMEOUT;
    return this.isOrdered ? ORDERED_REQUEST_TIMEOUT : REQUEST_TIMEOUT;
  }

  kindOf(number: number): Kind {
    const key = this.keyOf(number);
    const random = this.#random(number);
    if (key === HOT_KEY) return random.fraction() < 1 / 3 ? 'request' : 'event';
    if (key === FAILING_KEY) return random.fraction() < 1 / 3 ? 'request that fails' : 'event that fails';
    const shares = this.isOrdered ? ORDERED_SHARES : SHARES;
    let place = random.fraction() * 1_000;
    for (const [kind, share] of Object.entries(shares) as [Kind, number][]) {
      place -= share;
      if (place < 0) return kind;
    }
    return 'event';
  }

  /** @returns the ordering key of a message, if it has one. The higher its number, the rarer is a key. */
  keyOf(number: number): string | undefined {
    if (!this.isOrdered) return undefined;
    const random = this.#random(~number);
    const place = random.fraction();
    if (place < HOT_SHARE) return HOT_KEY;
    if (place < HOT_SHARE + FAILING_SHARE) return FAILING_KEY;
    if (this.isPartitioned && place > 1 - KEYLESS_SHARE) return undefined;
    return `key ${Math.floor(random.fraction() ** 2 * KEYS)}`;
  }

  /** The handler of a message takes so long, ms; 0 for not even a tick. */
  durationOf(number: number): number {
    const kind = this.kindOf(number);
    if (kind === 'event that takes long') return 500 + (number % 5) * 600;
    if (kind === 'request that is impatient') return 3 * IMPATIENCE;
    if (kind === 'request that is taken back') return 50;
    return (number % 4) * (this.keyOf(number) === HOT_KEY ? 1 : 2);
  }

  #random(number: number): Random {
    return new Random(this.seed ^ Math.imul(number + 1, 0x9e3779b1));
  }
}

/** What a request is answered with. */
export function answerTo(number: number): string {
  return `answer to ${number}`;
}
