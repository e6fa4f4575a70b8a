import { NestFactory } from '@nestjs/core';
import { ConnectionError, ElkMqServer } from 'nestjs-elkmq';
import { AppModule } from './app.module';

async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: false });
  app.connectMicroservice({
    strategy: new ElkMqServer({ queue: String(process.env['QUEUE']), url: String(process.env['REDIS_URL']) }),
  });
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');
  process.stdout.write(`${await (await fetch(await app.getUrl())).text()}\n`);
  // CommonJS and ES modules get one and the same module.
  const { ConnectionError: imported } = await import('nestjs-elkmq');
  process.stdout.write(`${typeof require} ${String(imported === ConnectionError)}\n`);
  await app.close();
}

void bootstrap();
