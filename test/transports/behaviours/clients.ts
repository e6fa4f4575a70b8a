import { Controller, Inject, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  Client,
  ClientProxy,
  ClientsModule,
  Ctx,
  EventPattern,
  MessagePattern,
  Payload,
} from '@nestjs/microservices';
import { lastValueFrom, TimeoutError, timeout } from 'rxjs';
import { onTestFinished } from 'vitest';
import { until } from '../../support/queue.js';
import { heard, moduleOf, noted, notes, type Area, type World } from '../behaviour.js';

@Controller()
class Desk {
  static asked = 0;

  @MessagePattern('ask.the.desk')
  ask(@Payload() data: unknown): unknown {
    Desk.asked++;
    return data;
  }

  @EventPattern('tell.the.desk')
  tell(@Payload() data: string): void {
    noted.push(`desk: ${data}`);
  }

  @MessagePattern('what.metadata')
  metadata(@Ctx() context: { getMetadata?(): unknown }): unknown {
    return context.getMetadata?.();
  }

  @EventPattern('event.with.metadata')
  eventWithMetadata(@Ctx() context: { getMetadata?(): { trace: string } }): void {
    noted.push(`metadata: ${String(context.getMetadata?.().trace)}`);
  }

  @MessagePattern('never')
  never(): Promise<never> {
    noted.push('never is running');
    return new Promise(() => undefined);
  }
}

/** An application context with clients that were made in this way. */
async function injected(imports: unknown[], token: string): Promise<unknown[]> {
  const app = await NestFactory.createApplicationContext(moduleOf({ imports: imports as never[] }));
  onTestFinished(() => app.close());
  return heard(app.get<ClientProxy>(token, { strict: false }).send('ask.the.desk', token));
}

const changing = (isAsync: boolean) => {
  const change = (packet: { data?: unknown; response?: unknown }, mark: string) => {
    const { data, response } = packet;
    const changed = {
      ...packet,
      ...(typeof data === 'string' && { data: data + mark }),
      ...(typeof response === 'string' && { response: response + mark }),
    };
    return isAsync ? Promise.resolve(changed) : changed;
  };
  return {
    serializer: { serialize: (packet: object) => change(packet, '>') },
    deserializer: { deserialize: (packet: object) => change(packet, '<') },
  };
};

const notAwaited = {
  shows: ['nothing more'],
  says: 'what they answer is not awaited, and nothing arrives',
  isSilence: true,
} as const;
const ofNats = {
  shows: ['nothing more'],
  says: 'they are given messages of NATS; with those of another transport nothing arrives',
  isSilence: true,
} as const;
const waitsOn = {
  shows: 'nothing more',
  says: 'it waits for ever, unless an rxjs timeout ends it',
  isSilence: true,
} as const;
const noMetadata = { shows: ['end', ['metadata: undefined']], says: 'the context has no `getMetadata()`' };

async function changed(world: World, isAsync: boolean, where: 'server' | 'client'): Promise<unknown> {
  const address = await world.newAddress();
  await world.start({ controllers: [Desk] }, address, where === 'server' ? changing(isAsync) : {});
  const client = await world.connect(address, where === 'client' ? changing(isAsync) : {});
  return heard(client.send('ask.the.desk', 'x'), world.timeoutMs);
}

export const clients: Area = {
  title: 'clients',
  controllers: [Desk],
  behaviours: [
    {
      name: 'send() is cold: it asks when subscribed to, and each time',
      async observe({ client }) {
        const before = Desk.asked;
        const answer = client.send('ask.the.desk', 1);
        await heard(client.send('ask.the.desk', 2));
        const meanwhile = Desk.asked - before;
        await heard(answer);
        await heard(answer);
        return [meanwhile, Desk.asked - before];
      },
      expected: [1, 3],
    },
    {
      name: 'emit() is hot: it is sent once, whether it is subscribed to or not',
      async observe({ client }) {
        client.emit('tell.the.desk', 'hot');
        const twice = client.emit('tell.the.desk', 'hot');
        twice.subscribe();
        twice.subscribe();
        await until(() => notes('desk: hot').length >= 2);
        await heard(client.send('ask.the.desk', 1));
        return notes('desk: hot').length;
      },
      expected: 2,
    },
    {
      name: 'a timeout of rxjs ends one request and leaves the others alone',
      async observe({ client }) {
        const never = lastValueFrom(client.send('never', {}).pipe(timeout(50))).catch(
          (error: unknown) => error,
        );
        const others = await heard(client.send('ask.the.desk', 'other'));
        return [(await never) instanceof TimeoutError, others];
      },
      expected: [true, ['other', 'end']],
    },
    {
      name: 'a request that is never answered fails by itself',
      async observe({ connect, timeoutMs }) {
        const client = await connect(undefined, { timeout: 500 });
        const [end] = await heard(client.send('never', {}), timeoutMs);
        return (end as { error?: { code?: unknown } }).error?.code ?? end;
      },
      expected: 'TIMEOUT_EXPIRED',
      otherwise: {
        TCP: waitsOn,
        Redis: waitsOn,
        NATS: waitsOn,
        RMQ: waitsOn,
      },
    },
    {
      name: 'what a client is still waiting for fails when it is closed',
      async observe({ connect, address }) {
        const client = await connect(address);
        const before = notes('never').length;
        const answer = heard(client.send('never', {}));
        await until(() => notes('never').length > before);
        await client.close();
        const [end] = await answer;
        return (end as { error?: unknown }).error instanceof Error ? 'an Error' : end;
      },
      expected: 'an Error',
    },
    {
      name: 'a closed client connects again when it is used',
      async observe({ connect }) {
        const client = await connect();
        await heard(client.send('ask.the.desk', 1));
        await client.close();
        return heard(client.send('ask.the.desk', 'again'));
      },
      expected: ['again', 'end'],
    },
    {
      name: 'status tells that it is connected',
      async observe({ connect }) {
        const client = await connect();
        const told: string[] = [];
        client.status.subscribe((status) => told.push(status));
        await client.connect();
        await until(() => told.length > 0);
        return told;
      },
      expected: ['connected'],
    },
    {
      name: 'on() and unwrap() are there',
      async observe({ connect }) {
        const client = await connect();
        (client.on as (event: string, listener: () => void) => void).call(client, 'error', () => undefined);
        await client.connect();
        return typeof client.unwrap<object>();
      },
      expected: 'object',
    },
    {
      name: 'metadata of a dispatch hook comes out of the context',
      exists: () => 'setOnDispatchHook' in ClientProxy.prototype,
      async observe({ connect }) {
        const client = await connect();
        client.setOnDispatchHook((packet) => (packet.metadata = { trace: 'abc' }));
        const [answer] = await heard(client.send('what.metadata', {}));
        await heard(client.emit('event.with.metadata', {}));
        await until(() => notes('metadata').length > 0);
        return [answer, notes('metadata')];
      },
      expected: [{ trace: 'abc' }, ['metadata: abc']],
      otherwise: { NATS: noMetadata, RMQ: noMetadata },
    },
    {
      name: 'ClientsModule.register() provides a client',
      observe: ({ address }) =>
        injected([ClientsModule.register([{ name: 'REGISTERED', ...address.client() }])], 'REGISTERED'),
      expected: ['REGISTERED', 'end'],
    },
    {
      name: 'ClientsModule.registerAsync() provides a client',
      observe: ({ address }) =>
        injected(
          [
            ClientsModule.registerAsync([
              { name: 'LATER', useFactory: () => Promise.resolve(address.client()) },
            ]),
          ],
          'LATER',
        ),
      expected: ['LATER', 'end'],
    },
    {
      name: 'a client of a global module is injected everywhere',
      async observe({ address }) {
        @Injectable()
        class User {
          constructor(@Inject('EVERYWHERE') readonly client: ClientProxy) {}
        }
        @Module({ providers: [User] })
        class Deep {}
        const everywhere = ClientsModule.register({
          isGlobal: true,
          clients: [{ name: 'EVERYWHERE', ...address.client() }],
        });
        const app = await NestFactory.createApplicationContext(moduleOf({ imports: [everywhere, Deep] }));
        onTestFinished(() => app.close());
        return heard(app.get(User, { strict: false }).client.send('ask.the.desk', 'global'));
      },
      expected: ['global', 'end'],
    },
    {
      name: '@Client() makes a client for a property',
      async observe({ address, start, newAddress }) {
        @Controller()
        class WithClient {
          @Client(address.client())
          readonly client!: ClientProxy;
        }
        const app = await start({ controllers: [WithClient] }, await newAddress());
        return heard(app.get(WithClient, { strict: false }).client.send('ask.the.desk', 'property'));
      },
      expected: ['property', 'end'],
    },
    {
      name: 'a serializer and a deserializer of the client change what goes and what comes',
      observe: (world) => changed(world, false, 'client'),
      expected: ['x><', 'end'],
      otherwise: { NATS: ofNats },
    },
    {
      name: 'a serializer and a deserializer of the server change what goes and what comes',
      observe: (world) => changed(world, false, 'server'),
      expected: ['x<>', 'end'],
      otherwise: { NATS: ofNats },
    },
    {
      name: 'a serializer and a deserializer of the client may be asynchronous',
      observe: (world) => changed(world, true, 'client'),
      expected: ['x><', 'end'],
      otherwise: { TCP: notAwaited, Redis: notAwaited, NATS: ofNats, RMQ: notAwaited },
    },
    {
      name: 'a serializer and a deserializer of the server may be asynchronous',
      observe: (world) => changed(world, true, 'server'),
      expected: ['x<>', 'end'],
      otherwise: {
        TCP: notAwaited,
        Redis: notAwaited,
        NATS: ofNats,
        RMQ: { shows: [{}, 'end'], says: 'what the serializer answers is not awaited, and `{}` arrives' },
      },
    },
  ],
};
