import { Random } from '../random.js';

/**
 * The messages of a run are numbered, and seed and number say of what kind each is: clients, workers and the checker
 * agree without talking to each other. The kind is also its pattern.
 */
export const SHARES = {
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

export const KINDS = Object.keys(SHARES) as Kind[];

export interface Message {
  readonly number: number;
}

/** Times in ms. The lease is short, so that a run sees many of them end. */
export const LEASE = 2_000;
export const DRAIN_TIMEOUT = 1_000;
export const REQUEST_TIMEOUT = 60_000;
/** Of a request that is impatient, whose handler takes longer than that. */
export const IMPATIENCE = 100;
export const MAX_ATTEMPTS = 3;
export const VALUES = 5;
/** What a handler throws that is to fail. */
export const MEANT_ERROR = { message: 'as it should' };

export function isRequest(kind: Kind): boolean {
  return kind.startsWith('request');
}

export function kindOf(seed: number, number: number): Kind {
  let place = new Random(seed ^ Math.imul(number + 1, 0x9e3779b1)).fraction() * 1_000;
  for (const kind of KINDS) {
    place -= SHARES[kind];
    if (place < 0) return kind;
  }
  return 'event';
}

/** How long the handler of a message takes, ms; 0 for not even a tick. */
export function durationOf(kind: Kind, number: number): number {
  if (kind === 'event that takes long') return 500 + (number % 5) * 600;
  if (kind === 'request that is impatient') return 3 * IMPATIENCE;
  if (kind === 'request that is taken back') return 50;
  return (number % 4) * 2;
}

/** What a request is answered with. */
export function answerTo(number: number): string {
  return `answer to ${number}`;
}
