import 'reflect-metadata';
import {
  getJetStreamTransportToken,
  JetstreamClientModule,
  JetstreamServerModule,
} from '@horizon-republic/nestjs-jetstream';
import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { of } from 'rxjs';
import { EventPattern, MessagePattern, Payload } from '@nestjs/microservices';

/** Client and worker of the JetStream transport, on the Nest of this folder. */

const NAME = 'bench';
const logger = ['error', 'fatal'];
Logger.overrideLogger(logger);

/**
 * Decorates a method without the syntax of decorators, which JavaScript does not have.
 * @param {new () => object} type
 * @param {string} method
 * @param {MethodDecorator} decorate
 */
function decorateMethod(type, method, decorate) {
  decorate(type.prototype, method, Object.getOwnPropertyDescriptor(type.prototype, method));
}

/**
 * @param {string} url
 * @param {{ echo: string, event: string }} patterns
 * @param {(event: object) => void} handled
 */
export async function startWorker(url, patterns, handled) {
  class BenchController {
    // The transport answers a plain object with an empty error: it expects a stream.
    echo(payload) {
      return of(payload);
    }

    event(payload) {
      handled(payload);
    }
  }
  decorateMethod(BenchController, 'echo', MessagePattern(patterns.echo));
  decorateMethod(BenchController, 'event', EventPattern(patterns.event));
  for (const method of ['echo', 'event']) Payload()(BenchController.prototype, method, 0);
  Controller()(BenchController);
  class BenchModule {}
  Module({ controllers: [BenchController] })(BenchModule);

  const server = JetstreamServerModule.forRoot({ name: NAME, servers: [url] });
  const context = await NestFactory.createApplicationContext(server, { logger });
  const strategy = context.get(getJetStreamTransportToken(NAME));
  const app = await NestFactory.createMicroservice(BenchModule, { ...strategy, logger });
  await app.listen();
  return {
    async close() {
      await app.close();
      await context.close();
    },
  };
}

/** @param {string} url */
export function client(url) {
  const module = JetstreamClientModule.forFeature({ name: NAME, servers: [url] });
  /** @type {Promise<import('@nestjs/common').INestApplicationContext> | undefined} */
  let starting;
  /** @type {import('@nestjs/microservices').ClientProxy} */
  let proxy;
  return {
    async connect() {
      starting ??= NestFactory.createApplicationContext(module, { logger });
      proxy = (await starting).get(NAME, { strict: false });
      await proxy.connect();
    },
    send: (pattern, data) => proxy.send(pattern, data),
    emit: (pattern, data) => proxy.emit(pattern, data),
    close: async () => (await starting)?.close(),
  };
}
