import 'reflect-metadata';
import { Body, Controller, HttpCode, Logger, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { lastValueFrom } from 'rxjs';
import { endWithParent, tellParent } from './parent.js';
import { ECHO, EVENT } from './payload.js';
import { transportOfThisProcess } from './process-arguments.js';

/** The process of an HTTP API on Express, which sends what it gets over its transport, as a service does. */

/** Where the API listens. */
export interface ApiAddress {
  readonly url: string;
}

/** Longer than any pause of a run. */
const KEEP_ALIVE_MS = 3_600_000;

Logger.overrideLogger(['error', 'fatal']);
const { transport, url } = await transportOfThisProcess();
const client = transport.apiClient?.(url);
if (client === undefined) throw new Error(`${transport.title} has no client for an API`);
const sender = client;

@Controller()
class ApiController {
  @Post(ECHO)
  @HttpCode(200)
  echo(@Body() payload: object): Promise<unknown> {
    return lastValueFrom(sender.send<unknown>(ECHO, payload));
  }

  @Post(EVENT)
  @HttpCode(202)
  async event(@Body() payload: object): Promise<void> {
    await lastValueFrom(sender.emit<unknown>(EVENT, payload), { defaultValue: undefined });
  }
}

@Module({ controllers: [ApiController] })
class ApiModule {}

const app = await NestFactory.create<NestExpressApplication>(ApiModule);
await client.connect();
// A request that is sent while its connection is closed for being idle would fail. Between two turns it is idle for long.
app.getHttpServer().keepAliveTimeout = KEEP_ALIVE_MS;
await app.listen(0, '127.0.0.1');
const address: ApiAddress = { url: await app.getUrl() };

endWithParent(async () => {
  await app.close();
  await client.close();
});
process.on('message', () => {
  tellParent(address);
});
tellParent('ready');
