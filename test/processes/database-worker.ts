// A Nest application whose handler needs a database that is closed with its module; it tells its parent what it does.
import { Controller, Injectable, Logger, Module, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MessagePattern } from '@nestjs/microservices';
import { ElkMqModule, ElkMqServer } from 'nestjs-elkmq';
import { once } from 'node:events';
import { endWithParent, tellParent } from './parent.js';

const [url = '', queue = '', kind] = process.argv.slice(2);

@Injectable()
class Database implements OnModuleDestroy {
  #isClosed = false;

  query(): string {
    return this.#isClosed ? 'the database is closed' : 'a row';
  }

  onModuleDestroy(): void {
    this.#isClosed = true;
    tellParent({ closed: true });
  }
}

@Module({ providers: [Database], exports: [Database] })
class DatabaseModule {}

@Controller()
class RowsController {
  constructor(private readonly database: Database) {}

  /** Answers when the parent says so. */
  @MessagePattern('row')
  async row(): Promise<string> {
    tellParent({ started: true });
    await once(process, 'message');
    return this.database.query();
  }
}

// The database of the root module is destroyed first, if nothing comes before it.
@Module({
  imports: [ElkMqModule, ...(kind === 'hybrid' ? [] : [DatabaseModule])],
  controllers: [RowsController],
  providers: kind === 'hybrid' ? [Database] : [],
})
class WorkerModule {}

// Its Redis keeps nothing on disk, which is worth a warning.
Logger.overrideLogger(['error']);
const strategy = new ElkMqServer({ url, queue });
if (kind === 'hybrid') {
  const app = await NestFactory.create(WorkerModule);
  app.connectMicroservice({ strategy });
  app.enableShutdownHooks();
  await app.startAllMicroservices();
  await app.listen(0, '127.0.0.1');
} else {
  const app = await NestFactory.createMicroservice(WorkerModule, { strategy });
  app.enableShutdownHooks();
  await app.listen();
}
// After Nest has heard of it.
process.once('SIGTERM', () => tellParent({ signalled: true }));
endWithParent(() => strategy.close());
tellParent({ ready: true });
