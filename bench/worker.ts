import { Controller, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern, Payload, type MicroserviceOptions } from '@nestjs/microservices';
import { endWithParent, tellParent } from './parent.js';
import { ECHO } from './payload.js';
import { transportOfThisProcess } from './process-arguments.js';

/** The worker process: a Nest microservice that answers every request with its payload. */

@Controller()
class EchoController {
  @MessagePattern(ECHO)
  echo(@Payload() payload: object): object {
    return payload;
  }
}

@Module({ controllers: [EchoController] })
class EchoModule {}

Logger.overrideLogger(['warn', 'error', 'fatal']);
const { transport, url } = await transportOfThisProcess();
const app = await NestFactory.createMicroservice<MicroserviceOptions>(EchoModule, transport.server(url));
endWithParent(() => app.close());
await app.listen();
tellParent('ready');
