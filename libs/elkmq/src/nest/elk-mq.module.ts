import {
  Module,
  type DynamicModule,
  type InjectionToken,
  type ModuleMetadata,
  type Type,
} from '@nestjs/common';
import { ClientsModule, type ClientsModuleAsyncOptions } from '@nestjs/microservices';
import { ElkMqClient } from './elk-mq.client.js';
import type { ElkMqClientOptions } from './options.js';

/** A client, and the token under which it is injected. */
export type ElkMqClientProvider = ElkMqClientOptions & { name: string | symbol };

/** Makes the options of a client; for `useClass` and `useExisting`. */
export interface ElkMqClientOptionsFactory {
  createElkMqOptions(): ElkMqClientOptions | Promise<ElkMqClientOptions>;
}

/** As in Nest's own modules: one of `useFactory`, `useClass` and `useExisting`. */
export interface ElkMqClientAsyncProvider extends Pick<ModuleMetadata, 'imports'> {
  name: string | symbol;
  useFactory?: (...dependencies: never[]) => ElkMqClientOptions | Promise<ElkMqClientOptions>;
  inject?: InjectionToken[];
  useClass?: Type<ElkMqClientOptionsFactory>;
  useExisting?: InjectionToken;
}

/** A list of clients, or an object when they are to be global. */
export type ElkMqClients<Provider> = Provider[] | { clients: Provider[]; isGlobal?: boolean };

/** Provides clients for injection, and closes them when the application shuts down. */
@Module({})
export class ElkMqModule {
  /** `ElkMqModule.register([{ name: 'ORDERS', queue: 'orders', url: 'redis://…' }])` */
  static register(clients: ElkMqClients<ElkMqClientProvider>): DynamicModule {
    const { list, isGlobal } = listOf(clients);
    return ClientsModule.register({
      isGlobal,
      clients: list.map(({ name, ...options }) => ({ name, customClass: ElkMqClient, options })),
    });
  }

  /** As `register`, with options that come from elsewhere. */
  static registerAsync(clients: ElkMqClients<ElkMqClientAsyncProvider>): DynamicModule {
    const { list, isGlobal } = listOf(clients);
    const options: ClientsModuleAsyncOptions = {
      isGlobal,
      clients: list.map(({ name, imports, useFactory, inject, useClass, useExisting }) => {
        const factory = useFactory as ((...args: unknown[]) => ElkMqClientOptions) | undefined;
        const token = useExisting ?? useClass;
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
    return ClientsModule.registerAsync(options);
  }
}

function listOf<Provider>(clients: ElkMqClients<Provider>): { list: Provider[]; isGlobal: boolean } {
  return Array.isArray(clients)
    ? { list: clients, isGlobal: false }
    : { list: clients.clients, isGlobal: clients.isGlobal ?? false };
}
