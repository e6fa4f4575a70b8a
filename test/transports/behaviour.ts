import {
  Logger,
  Module,
  type DynamicModule,
  type INestMicroservice,
  type ModuleMetadata,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule, type ClientProxy, type MicroserviceOptions } from '@nestjs/microservices';
import { catchError, lastValueFrom, of, TimeoutError, timeout, toArray, concat, type Observable } from 'rxjs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { logger } from '../support/nest.js';
import { type Address, type TestedTransport, type TransportName } from './transport.js';

/** Behaviours are tried on one application for all of them, and a client of it. */
export interface World {
  readonly client: ClientProxy;
  readonly address: Address;
  readonly transport: TestedTransport;
  readonly app: INestMicroservice;
  /** An application of the behaviour's own, at this address or another; it goes with the test. */
  readonly start: (module: ModuleMetadata, address?: Address, options?: object) => Promise<INestMicroservice>;
  /** Closes such an application before its test ends. */
  readonly close: (app: INestMicroservice) => Promise<void>;
  /** A client of the behaviour's own; it goes with the test. */
  readonly connect: (address?: Address, options?: object) => Promise<ClientProxy>;
  readonly newAddress: () => Promise<Address>;
  /** The time to wait for a value that may not come, ms. It is short where no value is known to come. */
  readonly timeoutMs: number;
}

/** The behaviour of a transport that does something else. */
export interface Deviation {
  /** The observation. */
  readonly shows: unknown;
  /** The same in words, for the table of differences. */
  readonly says: string;
  /** Nothing comes that could be waited for; only time shows that. */
  readonly isSilence?: true;
}

export interface Behaviour {
  /** In a user's words. */
  readonly name: string;
  readonly observe: (world: World) => Promise<unknown>;
  readonly expected: unknown;
  readonly otherwise?: Partial<Record<TransportName, Deviation>>;
  /** Whether the version of Nest in use has what this is about. Default: yes. */
  readonly exists?: () => boolean;
}

/** A file of behaviours, and what it adds to the application. */
export interface Area extends Pick<ModuleMetadata, 'controllers' | 'providers'> {
  readonly title: string;
  readonly behaviours: readonly Behaviour[];
  /** Done to the application before it listens. */
  readonly prepare?: (app: INestMicroservice) => void;
}

/** The words that handlers have told, in order. Each behaviour looks for words of its own. */
export const noted: string[] = [];

export function notes(prefix: string): string[] {
  return noted.filter((text) => text.startsWith(prefix));
}

/** All that an answer tells: its values, then `end`, or `{ error }`, or `nothing more` after `timeoutMs` ms. */
export function heard(source: Observable<unknown>, timeoutMs = 60_000): Promise<unknown[]> {
  return lastValueFrom(
    concat(source, of('end')).pipe(
      timeout({ each: timeoutMs }),
      catchError((error: unknown) => of(error instanceof TimeoutError ? 'nothing more' : { error })),
      toArray(),
    ),
  );
}

export function moduleOf(metadata: ModuleMetadata): DynamicModule {
  @Module({})
  class SuiteModule {}
  return { module: SuiteModule, ...metadata };
}

/** Tries each behaviour on a transport: it is as expected, or as the table of differences says. */
export function behaves(transport: TestedTransport, areas: readonly Area[]): void {
  const releases: (() => Promise<void>)[] = [];
  const closed = new Set<INestMicroservice>();
  let world: Omit<World, 'timeoutMs'>;

  const newAddress = async (until: (release: () => Promise<void>) => unknown): Promise<Address> => {
    const { address, release } = await transport.newAddress();
    until(release);
    return address;
  };
  const start = async (metadata: ModuleMetadata, address: Address, options = {}) => {
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(
      moduleOf(metadata),
      address.server(options),
    );
    // Not all of Nest's transports can be closed twice.
    onTestFinished(() => (closed.has(app) ? undefined : app.close()));
    await app.listen();
    return app;
  };
  const connect = async (address: Address, options = {}) => {
    const clients = ClientsModule.register([{ name: 'OWN', ...address.client(options) }]);
    const holder = await NestFactory.createApplicationContext(moduleOf({ imports: [clients] }));
    onTestFinished(() => holder.close());
    return holder.get<ClientProxy>('OWN', { strict: false });
  };

  // Nest logs what goes wrong on purpose.
  beforeAll(() => {
    Logger.overrideLogger(false);
  });
  // Other test files of the process look into the log.
  afterAll(() => {
    Logger.overrideLogger(logger);
  });

  beforeAll(async () => {
    const address = await newAddress((release) => releases.push(release));
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(
      moduleOf({
        imports: [ClientsModule.register([{ name: 'SUITE', ...address.client() }])],
        controllers: areas.flatMap(({ controllers }) => controllers ?? []),
        providers: areas.flatMap(({ providers }) => providers ?? []),
      }),
      address.server(),
    );
    releases.unshift(() => app.close());
    for (const { prepare } of areas) prepare?.(app);
    await app.listen();
    const client = app.get<ClientProxy>('SUITE', { strict: false });
    await client.connect();
    world = {
      ...{ client, address, transport, app },
      start: (metadata, at = address, options) => start(metadata, at, options),
      close: (app) => app.close().finally(() => closed.add(app)),
      connect: (at = address, options) => connect(at, options),
      newAddress: () => newAddress((release) => onTestFinished(release)),
    };
  });
  afterAll(async () => {
    for (const release of releases) await release();
  });

  for (const { title, behaviours } of areas) {
    describe(`${transport.name}, ${title}`, () => {
      for (const { name, observe, expected, otherwise, exists } of behaviours) {
        const deviation = otherwise?.[transport.name];
        const how = deviation ? ` (no: ${deviation.says})` : '';
        it.runIf(exists?.() ?? true)(name + how, async () => {
          const timeoutMs = deviation?.isSilence ? 1_000 : 60_000;
          expect(await observe({ ...world, timeoutMs })).toEqual(deviation ? deviation.shows : expected);
        });
      }
    });
  }
}
