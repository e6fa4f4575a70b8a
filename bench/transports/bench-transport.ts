import type { Addresses } from '../addresses.js';
import type { Conditions } from '../conditions.js';
import type { ClientProxy } from '@nestjs/microservices';
import type { Observer, Unsubscribable } from 'rxjs';

/** What a transport needs in order to be measured. One file per transport implements it. */
export interface BenchTransport {
  /**
   * A program in another language that is client and worker, in place of `startWorker` and `client`:
   * `PROGRAM client|worker URL ECHO EVENT PAYLOAD`, with commands and answers as lines of JSON.
   */
  program?(): string;
  /** How tables and messages call it. */
  readonly title: string;
  /** Whether a broker keeps a message until it is handed to a worker. */
  readonly stores: boolean;
  /** What it does with a message, in a few words: figures of unlike guarantees should not stand alone. */
  readonly keeps: string;
  /** What it is measured with. Default: both. */
  readonly carries?: 'requests' | 'events';
  /** A message counts as so many: the values that answer a request, or the copies of an event. Default: 1. */
  readonly perMessage?: number;
  /** What a request and an event carry. Default: `PAYLOAD`. */
  readonly payload?: object;
  /** Why it cannot run here, such as "nats-server is not installed"; `undefined` when it can. */
  missing(): string | undefined;
  /** Whether each message is handled by one of the workers, when there are more than one. */
  readonly shares?: boolean;
  /** Whether it can be measured with handlers that wait. Default: `true`. */
  readonly waits?: boolean;
  /** Whether it can be measured with TLS. Default: `false`. */
  readonly speaksTls?: boolean;
  /** Starts a broker of its own, or only finds an address where there is no broker. */
  startBroker(at: Addresses): Promise<Broker>;
  /** Answers each request with what it was sent, and tells of each event that has been handled. */
  startWorker(url: string, handled: (event: object) => void, conditions: Conditions): Promise<BenchWorker>;
  client(url: string): BenchClient;
  /** The client of an HTTP API, which has a process of its own; `client` then gets the address of the API. */
  apiClient?(url: string): ClientProxy;
}

export interface BenchWorker {
  close(): unknown;
}

/** What is used of a client: a part of Nest's `ClientProxy`. */
export interface BenchClient {
  connect(): Promise<unknown>;
  send(pattern: string, data: object): Outcome;
  emit(pattern: string, data: object): Outcome;
  close(): unknown;
}

/** What comes of a request or an event; an Observable, or less where there is no Nest. */
export interface Outcome {
  subscribe(observer: Partial<Observer<unknown>>): Unsubscribable | undefined;
}

export interface Broker {
  readonly url: string;
  /** The software that answers there, such as `Redis 7.0.15`; absent where there is no broker. */
  readonly software?: string;
  /** Its process. */
  readonly pid?: number;
  /** What it has done so far, if it says. */
  traffic?(): Promise<Traffic>;
  /** What it has met so far that the figures do not show, a sentence each. */
  notes?(): Promise<string[]>;
  stop(): Promise<void>;
}

export interface Traffic {
  /** Those within scripts too. */
  readonly commands: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
