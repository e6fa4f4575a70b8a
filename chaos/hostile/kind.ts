import type { Random } from '../random.js';

export type Bytes = string | Buffer;

/**
 * What must become of an entry:
 * - `malformed`: a dead letter with that reason
 * - `dead`: a dead letter
 * - `gone`: no dead letter, and nothing left
 * - `either`: one of these
 * - `stays`: it is where it was written, and nobody minds
 */
export type Fate = 'malformed' | 'dead' | 'gone' | 'either' | 'stays';

/** What an entry can refer to. */
export interface Scene {
  readonly queue: string;
  /** The client whose requests are to be answered: its inbox exists. */
  readonly clientId: string;
  /** What must never be written to: keys of others, and clients of ours that are none. */
  readonly badAddresses: readonly string[];
  /** A new number every time. */
  next(): number;
}

/** A kind of entry of the event stream. */
export interface EventKind {
  readonly name: string;
  readonly fate: Fate;
  /** How often it comes, compared with others. */
  readonly weight: number;
  /** The fields, name and value in turn. */
  readonly fields: (random: Random, scene: Scene) => Bytes[];
}

/** A kind of entry of another key of the queue. */
export interface KeyKind {
  readonly name: string;
  readonly fate: Fate;
  readonly weight: number;
  /** @param name by which it is found again, unique; it looks like the id of an entry */
  readonly commands: (random: Random, scene: Scene, name: string) => Bytes[][];
}

/** Handlers of the worker, as hostile entries name them. */
export const HANDLERS = { request: 'echo', event: 'sink', failsFirst: 'fails first' } as const;
