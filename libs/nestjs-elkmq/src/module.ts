import {
  Inject,
  Module,
  type DynamicModule,
  type InjectionToken,
  type ModuleMetadata,
  type OnModuleDestroy,
  type Type,
} from '@nestjs/common';
import { ClientsModule, type ClientsModuleAsyncOptions } from '@nestjs/microservices';
import { ApplicationConfig, ModulesContainer } from '@nestjs/core';
import { InvalidOptionError } from 'elkmq';
import { formatValue, readMember } from 'elkmq/internal';
import { ElkMqClient } from './client/elk-mq.client.js';
import { ElkMqErrorInterceptor } from './server/elk-mq.error-interceptor.js';
import { hasBrand, SERVER } from './brands.js';
import type { ElkMqServer } from './server/elk-mq.server.js';
import type { ElkMqClientOptions } from './options.js';

/** A client, and the token under which it is injected. */
export type ElkMqClientProvider = ElkMqClientOptions & {
  /** The token for `@Inject`. */
  name: string | symbol;
};

/** Makes the options of a client. `useClass` and `useExisting` name such a class or provider. */
export interface ElkMqClientOptionsFactory {
  /** Nest calls it once, before it makes the client. */
  createElkMqOptions(): ElkMqClientOptions | Promise<ElkMqClientOptions>;
}

/**
 * A client whose options come from one of `useFactory`, `useClass` and `useExisting`, like in Nest's own
 * modules.
 */
export interface ElkMqClientAsyncProvider extends Pick<ModuleMetadata, 'imports'> {
  /** The token for `@Inject`. */
  name: string | symbol;
  /** Makes the options. */
  useFactory?: (...dependencies: never[]) => ElkMqClientOptions | Promise<ElkMqClientOptions>;
  /** The providers that `useFactory` gets. */
  inject?: InjectionToken[];
  /** A class that makes the options. Nest makes an instance of it. */
  useClass?: Type<ElkMqClientOptionsFactory>;
  /** The token of a provider that makes the options, an `ElkMqClientOptionsFactory`. */
  useExisting?: InjectionToken;
}

/** A list of clients, or an object that can also make them global. */
export type ElkMqClients<Provider> =
  | Provider[]
  | {
      /** The clients. */
      clients: Provider[];
      /** Whether every module can inject them. Default false. */
      isGlobal?: boolean;
    };

/**
 * Provides clients for injection, and closes them when the application shuts down.
 *
 * An application that imports it, with or without clients, drains its servers before anything that handlers
 * use is destroyed. Without it, Nest calls `onModuleDestroy` everywhere first and closes the servers later,
 * when a signal ends the application or when the application is a hybrid one.
 *
 * The module also puts `ElkMqErrorInterceptor` around all handlers and other interceptors, so that dead
 * letters and `retry.when` get the error that was thrown. A hybrid application needs this for it:
 * `connectMicroservice(…, { inheritAppConfig: true })`.
 */
@Module({})
export class ElkMqModule implements OnModuleDestroy {
  readonly #servers = new Set<ElkMqServer>();

  constructor(
    @Inject(ModulesContainer) modules: ModulesContainer,
    @Inject(ApplicationConfig) config: ApplicationConfig,
  ) {
    // Nest adds each APP_INTERCEPTOR later, when it has made all modules. So this one is outside of them, and
    // sees what they throw.
    const present = config.getGlobalInterceptors();
    if (!present.some((interceptor) => interceptor instanceof ElkMqErrorInterceptor))
      config.addGlobalInterceptor(new ElkMqErrorInterceptor());
    // Nest destroys modules in the order of their distance from the root module, which has 1.
    for (const module of modules.values()) if (module.metatype === ElkMqModule) module.distance = 0;
    modules.getRpcTargetRegistry().subscribe((server) => {
      if (hasBrand(server, SERVER)) this.#servers.add(server as ElkMqServer);
    });
  }

  /** Drains the application's servers. Nest calls it at shutdown. */
  async onModuleDestroy(): Promise<void> {
    await Promise.all([...this.#servers].map((server) => server.close()));
  }

  /**
   * Provides clients: `ElkMqModule.register([{ name: 'ORDERS', queue: 'orders', url: 'redis://…' }])`.
   * @throws {InvalidOptionError} when a client has no name
   */
  static register(clients: ElkMqClients<ElkMqClientProvider>): DynamicModule {
    const { list, isGlobal } = listOf(clients);
    return providing(
      ClientsModule.register({
        isGlobal,
        clients: list.map(({ name, ...options }) => ({ name, customClass: ElkMqClient, options })),
      }),
    );
  }

  /**
   * Provides clients whose options come from a factory.
   * @throws {InvalidOptionError} when a client has no name, or none of `useFactory`, `useClass` and
   * `useExisting`
   */
  static registerAsync(clients: ElkMqClients<ElkMqClientAsyncProvider>): DynamicModule {
    const { list, isGlobal } = listOf(clients);
    const options: ClientsModuleAsyncOptions = {
      isGlobal,
      clients: list.map(({ name, imports, useFactory, inject, useClass, useExisting }) => {
        const factory = useFactory as ((...args: unknown[]) => ElkMqClientOptions) | undefined;
        const token = useExisting ?? useClass;
        if (!factory && !token) {
          throw new InvalidOptionError(
            `the client ${formatValue(name)} must have one of useFactory, useClass and useExisting, got none`,
          );
        }
        return {
          name,
          ...(imports && { imports }),
          ...(useClass && { extraProviders: [{ provide: useClass, useClass }] }),
          inject: factory ? (inject ?? []) : [token as InjectionToken],
          useFactory: async (...args: unknown[]) => ({
            customClass: ElkMqClient,
            options: await (factory
              ? factory(...args)
              : (args[0] as ElkMqClientOptionsFactory).createElkMqOptions()),
          }),
        };
      }),
    };
    return providing(ClientsModule.registerAsync(options));
  }
}

function providing(clients: DynamicModule): DynamicModule {
  return { module: ElkMqModule, imports: [clients], exports: [clients] };
}

/** @throws {InvalidOptionError} */
function listOf<Provider extends { name: string | symbol }>(
  given: ElkMqClients<Provider>,
): { list: Provider[]; isGlobal: boolean } {
  const list: unknown = Array.isArray(given) ? given : readMember(given, 'clients');
  if (!Array.isArray(list)) {
    throw new InvalidOptionError(
      `the clients must be an array, or an object of clients and isGlobal, got ${formatValue(given)}`,
    );
  }
  for (const client of list) {
    const name = readMember(client, 'name');
    if ((typeof name === 'string' && name !== '') || typeof name === 'symbol') continue;
    throw new InvalidOptionError(
      `each client must have a name, a string or a symbol, got ${formatValue(name)}`,
    );
  }
  const isGlobal = !Array.isArray(given) && (given.isGlobal ?? false);
  return { list: list as Provider[], isGlobal };
}
