import { Controller, Logger, Module, type DynamicModule, type Type } from '@nestjs/common';
import { type INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { ElkMqClient, ElkMqServer, type ElkMqContext } from 'nestjs-elkmq';
import { type ElkMqClientOptions, type ElkMqServerOptions } from 'nestjs-elkmq';
import { lastValueFrom, materialize, toArray, type Observable, type ObservableNotification } from 'rxjs';
import { closing, redis, url } from './queue.js';

/** The log of Nest and of the transport, one line each: `error [ElkMqServer] …`. */
export const logs: string[] = [];

const noting =
  (level: string) =>
  (message: unknown, ...details: unknown[]) => {
    logs.push(`${level} [${String(details.at(-1))}] ${String(message)}`);
  };
/** Nest's testing module replaces the logger, for all tests of the process, unless it is given this one. */
export const logger = { log: noting('log'), warn: noting('warn'), error: noting('error') };
Logger.overrideLogger(logger);

/** A module that has nothing but these controllers. */
export function moduleOf(...controllers: Type[]): DynamicModule {
  @Module({})
  class TestModule {}
  return { module: TestModule, controllers };
}

// Handlers of any data: the tests know what they send.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Handlers = Record<string, (data: any, context: ElkMqContext) => unknown>;

/** A controller with a request handler for each pattern. */
export function requests(handlers: Handlers, extras: object = {}): Type {
  return controllerOf(handlers, (pattern) => MessagePattern(pattern, extras));
}

/** A controller with an event handler for each pattern. */
export function events(handlers: Handlers, extras: object = {}): Type {
  return controllerOf(handlers, (pattern) => EventPattern(pattern, extras) as MethodDecorator);
}

function controllerOf(handlers: Handlers, decorate: (pattern: string) => MethodDecorator): Type {
  @Controller()
  class TestController {}
  for (const [pattern, value] of Object.entries(handlers)) {
    const name = `handle ${pattern}`;
    Object.defineProperty(TestController.prototype, name, { value });
    Payload()(TestController.prototype, name, 0);
    Ctx()(TestController.prototype, name, 1);
    decorate(pattern)(TestController.prototype, name, { value });
    Payload()(TestController.prototype, name, 0);
    Ctx()(TestController.prototype, name, 1);
  }
  return TestController;
}

/** With the Redis of all tests, unless there is another. */
function withRedis<Options extends Pick<ElkMqClientOptions, 'url' | 'redis'>>(options: Options): Options {
  return options.redis === undefined ? { url, ...options } : options;
}

/** A microservice that takes messages from a queue, until the test is over. */
export async function startApp(
  module: Type | DynamicModule,
  options: ElkMqServerOptions | ElkMqServer,
): Promise<INestMicroservice> {
  const strategy = options instanceof ElkMqServer ? options : new ElkMqServer(withRedis(options));
  const app = closing(await NestFactory.createMicroservice(module, { strategy }));
  await app.listen();
  return app;
}

/** A server without an application, until the test is over. */
export async function listening(server: ElkMqServer): Promise<ElkMqServer> {
  await new Promise<void>((resolve, reject) => {
    server.listen((error) => {
      if (error) reject(error);
      else resolve();
    });
  });
  return closing(server);
}

/** A client of a queue, until the test is over. */
export function startClient(options: ElkMqClientOptions): ElkMqClient {
  return closing(new ElkMqClient(withRedis(options)));
}

/** All that an Observable tells: its values, then its error or its end. */
export function told<T>(source: Observable<T>): Promise<ObservableNotification<T>[]> {
  return lastValueFrom(source.pipe(materialize(), toArray()));
}

/** The values of an Observable that ends well. */
export function valuesOf<T>(source: Observable<T>): Promise<T[]> {
  return lastValueFrom(source.pipe(toArray()));
}

/** A message that was not handled, as it is kept in Redis. */
export interface DeadLetter {
  reason: string;
  origin: string;
  fields: string[];
  error?: { name: string; message: string; stack?: string };
}

export async function deadLettersOf(queue: string): Promise<DeadLetter[]> {
  const bodies = await redis.hvals(`${queue}(dead_letter_bodies)`);
  return bodies.map((body) => JSON.parse(body) as DeadLetter);
}

/** Returns the number of messages of a queue that wait or are being handled. */
export function unsettled(queue: string): Promise<number> {
  return redis.xlen(`${queue}(event_stream)`);
}
