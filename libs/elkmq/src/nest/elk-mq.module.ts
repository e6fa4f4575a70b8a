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
import { APP_INTERCEPTOR, ModulesContainer } from '@nestjs/core';
import { InvalidOptionError } from '../core/errors.js';
import { shown } from '../core/options.js';
import { ElkMqClient } from './elk-mq.client.js';
import { ElkMqErrorInterceptor } from './elk-mq.error-interceptor.js';
import { hasBrand, SERVER } from './brands.js';
import type { ElkMqServer } from './elk-mq.server.js';
import type { ElkMqClientOptions } from './options.js';

/** A client, and the token under which it is injected. */
export type ElkMqClientProvider = ElkMqClientOptions & {
  /** The token for `@Inject`. */
  name: string | symbol;
};

/** Makes the options of a client; for `useClass` and `useExisting`. */
export interface ElkMqClientOptionsFactory {
  /** Is called once, before the client is made. */
  createElkMqOptions(): ElkMqClientOptions | Promise<ElkMqClientOptions>;
}

/** As in Nest's own modules: one of `useFactory`, `useClass` and `useExisting`. */
export interface ElkMqClientAsyncProvider extends Pick<ModuleMetadata, 'imports'> {
  /** The token for `@Inject`. */
  name: string | symbol;
  /** Makes the options. */
  useFactory?: (...dependencies: never[]) => ElkMqClientOptions | Promise<ElkMqClientOptions>;
  /** What `useFactory` is given. */
  inject?: InjectionToken[];
  /** A class that makes them, of which Nest makes an instance. */
  useClass?: Type<ElkMqClientOptionsFactory>;
  /** The token of a provider that makes them, an `ElkMqClientOptionsFactory`. */
  useExisting?: InjectionToken;
}

/** A list of clients, or an object when they are to be global. */
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
 * Where it is imported, as it is or with clients, the application's servers are drained before anything that handlers
 * use is destroyed. Otherwise Nest calls `onModuleDestroy` everywhere first, when a signal ends the application or the
 * application is a hybrid one, and closes the servers later.
 *
 * It also brings `ElkMqErrorInterceptor` for all handlers, so that dead letters and `retry.when` see what was thrown. A
 * hybrid application needs `connectMicroservice(…, { inheritAppConfig: true })` for that.
 */
@Module({ providers: [{ provide: APP_INTERCEPTOR, useClass: ElkMqErrorInterceptor }] })
export class ElkMqModule implements OnModuleDestroy {
  readonly #servers = new Set<ElkMqServer>();

  constructor(@Inject(ModulesContainer) modules: ModulesContainer) {
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

  /** Provides clients: `ElkMqModule.register([{ name: 'ORDERS', queue: 'orders', url: 'redis://…' }])`. */
  static register(clients: ElkMqClients<ElkMqClientProvider>): DynamicModule {
    const { list, isGlobal } = listOf(clients);
    return providing(
      ClientsModule.register({
        isGlobal,
        clients: list.map(({ name, ...options }) => ({ name, customClass: ElkMqClient, options })),
      }),
    );
  }

  /** As `register`, with options that come from elsewhere. */
  static registerAsync(clients: ElkMqClients<ElkMqClientAsyncProvider>): DynamicModule {
    const { list, isGlobal } = listOf(clients);
    const options: ClientsModuleAsyncOptions = {
      isGlobal,
      clients: list.map(({ name, imports, useFactory, inject, useClass, useExisting }) => {
        const factory = useFactory as ((...args: unknown[]) => ElkMqClientOptions) | undefined;
        const token = useExisting ?? useClass;
        if (!factory && !token) {
          throw new InvalidOptionError(
            `the client ${shown(name)} must have one of useFactory, useClass and useExisting, got none`,
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

function listOf<Provider>(clients: ElkMqClients<Provider>): { list: Provider[]; isGlobal: boolean } {
  return Array.isArray(clients)
    ? { list: clients, isGlobal: false }
    : { list: clients.clients, isGlobal: clients.isGlobal ?? false };
}
