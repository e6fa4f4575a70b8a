import { AsyncLocalStorage } from 'node:async_hooks';
import { Controller, Inject, Injectable, Scope } from '@nestjs/common';
import { ContextIdFactory, type ContextId, type ContextIdStrategy } from '@nestjs/core';
import {
  CONTEXT,
  EventPattern,
  MessagePattern,
  NestMicroservice,
  Payload,
  type RequestContext,
} from '@nestjs/microservices';
import { Observable } from 'rxjs';
import { until } from '../../support/queue.js';
import { heard, noted, notes, type Area } from '../behaviour.js';

@Injectable({ scope: Scope.REQUEST })
class PerRequest {
  static made = 0;
  readonly number = ++PerRequest.made;

  constructor(@Inject(CONTEXT) readonly request: RequestContext<{ id: number }>) {}
}

@Controller()
class Scoped {
  constructor(@Inject(PerRequest) private readonly service: PerRequest) {}

  @MessagePattern('scoped')
  ask(): unknown {
    const { data, pattern } = this.service.request;
    return [this.service.number > 0, data, pattern];
  }

  @MessagePattern('instance')
  instance(): number {
    return this.service.number;
  }

  @EventPattern('scoped.event')
  event(@Payload() { id }: { id: number }): void {
    noted.push(`scoped event ${String(id)}: ${String(this.service.request.data.id)}`);
  }
}

@Injectable({ scope: Scope.REQUEST, durable: true })
class PerTenant {
  static made = 0;
  readonly number = ++PerTenant.made;
}

@Controller()
class Durable {
  constructor(@Inject(PerTenant) private readonly service: PerTenant) {}

  @MessagePattern('of.the.tenant')
  ask(): number {
    return this.service.number;
  }
}

/** Providers of a tenant live as long as the application. */
class ByTenant implements ContextIdStrategy<{ data?: { tenant?: string } }> {
  readonly #ids = new Map<string, ContextId>();

  attach(contextId: ContextId, request: { data?: { tenant?: string } }) {
    const tenant = request.data?.tenant;
    if (tenant === undefined) return () => contextId;
    const id = this.#ids.get(tenant) ?? ContextIdFactory.create();
    this.#ids.set(tenant, id);
    return {
      resolve: (info: { isTreeDurable: boolean }) => (info.isTreeDurable ? id : contextId),
      payload: {},
    };
  }
}
ContextIdFactory.apply(new ByTenant());

const storage = new AsyncLocalStorage<string>();

@Controller()
class Stored {
  @MessagePattern('stored')
  async stored(): Promise<string | undefined> {
    await Promise.resolve();
    return storage.getStore();
  }

  @EventPattern('stored.event')
  event(@Payload() data: string): void {
    noted.push(`stored ${data} ${String(storage.getStore())}`);
  }
}

/** Nest 12 has it. */
interface Hooks {
  registerPreRequestHook?(
    hook: (context: unknown, next: () => Observable<unknown>) => Observable<unknown>,
  ): void;
}
export const scopes: Area = {
  title: 'scopes and hooks',
  controllers: [Scoped, Durable, Stored],
  providers: [PerRequest, PerTenant],
  prepare(app) {
    const hooks: Hooks = app;
    hooks.registerPreRequestHook?.(
      (_context, next) =>
        new Observable((observer) => storage.run('from the hook', () => next().subscribe(observer))),
    );
  },
  behaviours: [
    {
      name: 'a provider of request scope has the request injected',
      observe: ({ client }) => heard(client.send('scoped', { id: 1 })),
      expected: [[true, { id: 1 }, 'scoped'], 'end'],
    },
    {
      name: 'it is made anew for each message',
      async observe({ client }) {
        const answers = await Promise.all([1, 2, 3].map((id) => heard(client.send('instance', { id }))));
        return new Set(answers.map(([number]) => number)).size;
      },
      expected: 3,
    },
    {
      name: 'it is there for events',
      async observe({ client }) {
        await heard(client.emit('scoped.event', { id: 7 }));
        await until(() => notes('scoped event').length > 0);
        return notes('scoped event');
      },
      expected: ['scoped event 7: 7'],
    },
    {
      name: 'a durable provider is made once for each tenant',
      async observe({ client }) {
        const ask = async (tenant: string) => (await heard(client.send('of.the.tenant', { tenant })))[0];
        return [await ask('blue'), await ask('green'), await ask('blue')];
      },
      expected: [1, 2, 1],
    },
    {
      name: 'handlers run inside pre-request hooks',
      exists: () => 'registerPreRequestHook' in NestMicroservice.prototype,
      async observe({ client }) {
        const answer = await heard(client.send('stored', {}));
        await heard(client.emit('stored.event', 'event'));
        await until(() => notes('stored').length > 0);
        return [answer, notes('stored')];
      },
      expected: [['from the hook', 'end'], ['stored event from the hook']],
    },
  ],
};
