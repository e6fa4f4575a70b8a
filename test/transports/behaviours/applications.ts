import { Controller, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  EventPattern,
  MessagePattern,
  Payload,
  Server,
  Transport,
  type MicroserviceOptions,
} from '@nestjs/microservices';
import { setTimeout as sleep } from 'node:timers/promises';
import { ELKMQ } from 'nestjs-elkmq';
import { map } from 'rxjs';
import { onTestFinished } from 'vitest';
import { until } from '../../support/queue.js';
import { heard, moduleOf, noted, notes, type Area, type World } from '../behaviour.js';

const OTHER = Symbol('OTHER');

@Controller()
class Anywhere {
  /** The handler `slow` waits for this. */
  static released: Promise<unknown>;

  @MessagePattern('anywhere')
  anywhere(): string {
    return 'anywhere';
  }

  @MessagePattern('of.another.transport', OTHER)
  elsewhere(): string {
    return 'elsewhere';
  }

  @MessagePattern('slow')
  async slow(): Promise<string> {
    noted.push('slow is running');
    await Anywhere.released;
    return 'slow, but done';
  }

  @EventPattern('one.for.all')
  event(@Payload() data: string): void {
    noted.push(`one for all: ${data}`);
  }
}

async function hybrid(): Promise<INestApplication> {
  const app = await NestFactory.create(moduleOf({ controllers: [Anywhere] }));
  onTestFinished(() => app.close());
  return app;
}

async function inheriting({ connect, newAddress }: World, inheritAppConfig: boolean): Promise<unknown> {
  const address = await newAddress();
  const app = await hybrid();
  app.useGlobalInterceptors({
    intercept: (_execution, next) => next.handle().pipe(map((value) => `${String(value)}!`)),
  });
  app.connectMicroservice<MicroserviceOptions>(address.server(), { inheritAppConfig });
  await app.startAllMicroservices();
  return heard((await connect(address)).send('anywhere', {}));
}

const sameId = { shows: ['here', 'end', 'here', 'end'], says: 'all servers of one kind have the same id' };
const lost = { shows: 0, says: 'it is lost', isSilence: true } as const;

export const applications: Area = {
  title: 'applications',
  behaviours: [
    {
      name: 'a hybrid application serves HTTP beside it',
      async observe({ connect, newAddress }) {
        const address = await newAddress();
        const app = await hybrid();
        app.connectMicroservice<MicroserviceOptions>(address.server());
        await app.startAllMicroservices();
        await app.listen(0, '127.0.0.1');
        const { status } = await fetch(`${await app.getUrl()}/nothing-here`);
        return [status, await heard((await connect(address)).send('anywhere', {}))];
      },
      expected: [404, ['anywhere', 'end']],
    },
    {
      name: 'with inheritAppConfig it has the interceptors of the application',
      observe: (world) => inheriting(world, true),
      expected: ['anywhere!', 'end'],
    },
    {
      name: 'without it has not',
      observe: (world) => inheriting(world, false),
      expected: ['anywhere', 'end'],
    },
    {
      name: 'a handler that is bound to another transport is not called by this one',
      async observe({ start, connect, newAddress }) {
        const address = await newAddress();
        await start({ controllers: [Anywhere] }, address);
        const [answer] = await heard((await connect(address)).send('of.another.transport', {}), 300);
        return answer !== 'elsewhere';
      },
      expected: true,
    },
    {
      name: 'two servers of one application have handlers of their own, by transport id',
      async observe({ connect, newAddress, transport, timeoutMs }) {
        const [here, there] = [await newAddress(), await newAddress()];
        @Controller()
        class Both {
          @MessagePattern('where', transport.id as symbol)
          here(): string {
            return 'here';
          }

          @MessagePattern('where', OTHER)
          there(): string {
            return 'there';
          }
        }
        const app = await NestFactory.create(moduleOf({ controllers: [Both] }));
        onTestFinished(() => app.close());
        app.connectMicroservice<MicroserviceOptions>(here.server());
        app.connectMicroservice<MicroserviceOptions>(there.server({ transportId: OTHER }));
        await app.startAllMicroservices();
        const clients = [await connect(here), await connect(there)];
        return (
          await Promise.all(clients.map((client) => heard(client.send('where', {}), timeoutMs)))
        ).flat();
      },
      expected: ['here', 'end', 'there', 'end'],
      otherwise: {
        TCP: sameId,
        Redis: sameId,
        NATS: sameId,
        RMQ: sameId,
      },
    },
    {
      name: 'processing hooks run around each message',
      async observe({ start, connect, newAddress }) {
        const address = await newAddress();
        const app = await start({ controllers: [Anywhere] }, address);
        const told: string[] = [];
        // Instrumentation of Nest does this.
        const server = (app as unknown as { serverInstance: Server }).serverInstance;
        server.setOnProcessingStartHook((_id, _context, done) => {
          told.push('start');
          return done() as unknown as undefined;
        });
        server.setOnProcessingEndHook(() => told.push('end'));
        const client = await connect(address);
        await heard(client.send('anywhere', {}));
        await heard(client.emit('one.for.all', 'hooked'));
        await until(() => told.length === 4);
        return told;
      },
      expected: ['start', 'end', 'start', 'end'],
    },
    {
      name: 'the server tells its status, and what it is made of',
      async observe({ start, connect, newAddress }) {
        const address = await newAddress();
        const app = await start({ controllers: [Anywhere] }, address);
        await heard((await connect(address)).send('anywhere', {}));
        const told: string[] = [];
        app.status.subscribe((status) => told.push(status));
        return [told, typeof app.unwrap<object>()];
      },
      expected: [['connected'], 'object'],
    },
    {
      name: 'app.close() lets running handlers finish, and their answers arrive',
      async observe({ start, close, connect, newAddress, transport, timeoutMs }) {
        const address = await newAddress();
        const app = await start({ controllers: [Anywhere] }, address);
        const client = await connect(address);
        const before = notes('slow').length;
        let release: () => void = () => undefined;
        Anywhere.released = new Promise<void>((resolve) => (release = resolve));
        const answer = heard(client.send('slow', {}), timeoutMs);
        await until(() => notes('slow').length > before);
        const closed = close(app);
        // A transport that does not wait for its handlers has closed when the handler ends. One that waits has only
        // time to show that it does.
        await (transport.id === ELKMQ ? sleep(150) : closed);
        release();
        await closed;
        const [first] = await answer;
        return first;
      },
      expected: 'slow, but done',
      otherwise: {
        TCP: {
          shows: { error: new Error('Connection closed') },
          says: 'the connection is closed under them',
        },
        Redis: {
          shows: 'nothing more',
          says: 'the connection is closed under them, and the caller waits on',
          isSilence: true,
        },
        NATS: {
          shows: 'nothing more',
          says: 'the connection is closed under them, and the caller waits on, without `gracefulShutdown`',
          isSilence: true,
        },
        RMQ: {
          shows: 'nothing more',
          says: 'the channel is closed under them, and the caller waits on',
          isSilence: true,
        },
      },
    },
    {
      name: 'what is sent while no server runs is handled by the next one',
      async observe({ start, connect, newAddress, timeoutMs }) {
        const address = await newAddress();
        const client = await connect(address);
        await heard(client.emit('one.for.all', 'early'));
        await start({ controllers: [Anywhere] }, address);
        await until(() => notes('one for all: early').length > 0, timeoutMs).catch(() => undefined);
        return notes('one for all: early').length;
      },
      expected: 1,
      otherwise: {
        TCP: { shows: 0, says: 'it fails', isSilence: true },
        Redis: lost,
        NATS: lost,
      },
    },
    {
      name: 'of several servers of one address one handles a message',
      async observe({ start, connect, newAddress, transport }) {
        const address = await newAddress();
        const server = { controllers: [Anywhere] };
        await start(server, address);
        if (transport.id !== Transport.TCP) await start(server, address);
        const client = await connect(address);
        await heard(client.emit('one.for.all', 'shared'));
        await heard(client.send('anywhere', {}));
        const handled = () => notes('one for all: shared').length;
        // Each server handles it in its own time.
        if (transport.id === Transport.REDIS || transport.id === Transport.NATS)
          await until(() => handled() > 1);
        return handled();
      },
      expected: 1,
      otherwise: {
        Redis: { shows: 2, says: 'every server handles it' },
        NATS: { shows: 2, says: 'every server handles it, unless they have a `queue` in common' },
      },
    },
  ],
};
