import type { ClientProxy, MicroserviceOptions } from '@nestjs/microservices';

/** What a transport needs in order to be measured. One file per transport implements it. */
export interface BenchTransport {
  /** How tables and messages call it. */
  readonly title: string;
  /** What it does with a message, in a few words: figures of unlike guarantees should not stand alone. */
  readonly keeps: string;
  /** The program without which it cannot run, if that is not installed here. */
  missing(): string | undefined;
  /** Starts a broker of its own, or only finds an address where there is no broker. */
  startBroker(): Promise<Broker>;
  server(url: string): MicroserviceOptions;
  client(url: string): BenchClient;
}

/** What is used of a client. `ClientProxy` itself would refuse subclasses with statuses of their own. */
export interface BenchClient extends Pick<ClientProxy, 'connect' | 'send'> {
  close(): unknown;
}

export interface Broker {
  readonly url: string;
  /** The software that answers there, such as `Redis 7.0.15`; absent where there is no broker. */
  readonly software?: string;
  stop(): Promise<void>;
}
