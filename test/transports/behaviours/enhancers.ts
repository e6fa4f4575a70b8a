import {
  BadRequestException,
  Catch,
  Controller,
  ParseIntPipe,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import { map, of, throwError, type Observable } from 'rxjs';
import { until } from '../../support/queue.js';
import { heard, noted, notes, type Area, type World } from '../behaviour.js';

/** Pipes and interceptors leave their names in it; they leave the data of other behaviours alone. */
class Trail {
  constructor(readonly names: readonly string[]) {}
  static add(value: unknown, name: string): unknown {
    const { names } = (value ?? {}) as Partial<Trail>;
    return names ? new Trail([...names, name]) : value;
  }
}

const pipe = (name: string): PipeTransform => ({ transform: (value: unknown) => Trail.add(value, name) });
const guard = (name: string): CanActivate => ({
  canActivate(execution: ExecutionContext) {
    const data: unknown = execution.switchToRpc().getData();
    if (data === `refused by ${name}`) return false;
    if (data === `fails in ${name}`) throw new RpcException({ guard: name });
    return true;
  },
});
const interceptor = (name: string): NestInterceptor => ({
  intercept: (_execution: ExecutionContext, next: CallHandler<unknown>) =>
    next.handle().pipe(map((value) => Trail.add(value, name))),
});

class Special extends Error {}
class MoreSpecial extends Special {}

@Catch(Special)
class SpecialFilter {
  catch(error: Special, host: ArgumentsHost): Observable<unknown> {
    const data: unknown = host.switchToRpc().getData();
    return error.message === 'answer'
      ? of({ instead: data })
      : throwError(() => ({ filtered: error.message }));
  }
}

const filter = (of: string, filtered: abstract new () => Error) => {
  @Catch(filtered)
  class OneFilter {
    catch(error: Error): Observable<never> {
      return throwError(() => ({ [of]: error.message }));
    }
  }
  return new OneFilter();
};

@Controller()
@UsePipes(pipe('controller'))
@UseGuards(guard('controller'))
@UseInterceptors(interceptor('controller'))
class Enhanced {
  @MessagePattern('piped')
  @UsePipes(pipe('handler'))
  piped(@Payload(pipe('parameter')) { names }: Trail): unknown {
    return names;
  }

  @MessagePattern('guarded')
  @UseGuards(guard('handler'))
  guarded(@Payload() data: unknown): unknown {
    return [data];
  }

  @MessagePattern('intercepted')
  @UseInterceptors(interceptor('handler'))
  intercepted(): Trail {
    return new Trail([]);
  }

  @MessagePattern('told')
  @UseInterceptors({
    intercept(execution: ExecutionContext) {
      const rpc = execution.switchToRpc();
      return of([execution.getType(), rpc.getData(), typeof rpc.getContext()]);
    },
  })
  told(): void {
    // The interceptor answers.
  }

  @MessagePattern('a.number')
  number(@Payload('id', ParseIntPipe) id: number): unknown {
    return [id];
  }

  @EventPattern('noted.event')
  @UseGuards(guard('handler'))
  event(@Payload(pipe('parameter')) { names }: Trail): void {
    noted.push(`noted event: ${names.join(' ')}`);
  }
}

@Controller()
@UseFilters(SpecialFilter)
class Failing {
  @MessagePattern('fail')
  fail(how: string): unknown {
    const failures: Record<string, () => unknown> = {
      text: () => new RpcException('a text'),
      object: () => new RpcException({ code: 7, details: [{ field: 'x' }], message: 'm' }),
      empty: () => new RpcException({}),
      error: () => new Error('secret'),
      http: () => new BadRequestException('bad'),
      string: () => 'thrown text',
      special: () => new Special('refused'),
      answer: () => new Special('answer'),
      range: () => new RangeError('too far'),
    };
    throw failures[how]?.();
  }

  @MessagePattern('fail.specially')
  @UseFilters(filter('handler', MoreSpecial))
  failSpecially(how: string): unknown {
    throw how === 'more' ? new MoreSpecial(how) : new Special(how);
  }

  @MessagePattern('fail.later')
  async failLater(): Promise<never> {
    await Promise.resolve();
    throw new RpcException({ later: true });
  }
}

const ask =
  (pattern: string, ...payloads: unknown[]) =>
  async ({ client }: World): Promise<unknown[]> =>
    (await Promise.all(payloads.map((data) => heard(client.send(pattern, data))))).flat();
const internal = { error: { status: 'error', message: 'Internal server error' } };
const forbidden = { error: { status: 'error', message: 'Forbidden resource' } };

export const enhancers: Area = {
  title: 'pipes, guards, interceptors, filters',
  controllers: [Enhanced, Failing],
  prepare: (app) =>
    app
      .useGlobalPipes(pipe('global'))
      .useGlobalGuards(guard('global'))
      .useGlobalFilters(filter('global', RangeError))
      .useGlobalInterceptors(interceptor('global')),
  behaviours: [
    {
      name: 'they are told the kind of message, its payload and its context',
      observe: ask('told', { id: 7 }),
      expected: [['rpc', { id: 7 }, 'object'], 'end'],
    },
    {
      name: 'pipes run global, controller, handler, parameter',
      observe: ask('piped', new Trail([])),
      expected: [['global', 'controller', 'handler', 'parameter'], 'end'],
    },
    {
      name: 'guards refuse: global, controller, handler',
      observe: ask('guarded', 'passes', 'refused by global', 'refused by controller', 'refused by handler'),
      expected: [['passes'], 'end', forbidden, forbidden, forbidden],
    },
    {
      name: 'what a guard throws is the answer',
      observe: ask('guarded', 'fails in global', 'fails in handler'),
      expected: [{ error: { guard: 'global' } }, { error: { guard: 'handler' } }],
    },
    {
      name: 'interceptors surround the handler: global, controller, handler',
      observe: ask('intercepted', {}),
      expected: [{ names: ['handler', 'controller', 'global'] }, 'end'],
    },
    {
      name: 'a pipe of Nest changes a part of the payload, or refuses it',
      observe: ask('a.number', { id: '12' }, { id: 'twelve' }),
      expected: [[12], 'end', internal],
    },
    {
      name: 'pipes and guards are there for events',
      async observe({ client }) {
        for (const data of ['refused by handler', new Trail(['passes'])])
          await heard(client.emit('noted.event', data));
        await until(() => notes('noted event').length > 0);
        return notes('noted event');
      },
      expected: ['noted event: passes global controller parameter'],
    },
    {
      name: 'the payload of an RpcException arrives as it is',
      observe: ask('fail', 'text', 'object', 'empty'),
      expected: [
        { error: { status: 'error', message: 'a text' } },
        { error: { code: 7, details: [{ field: 'x' }], message: 'm' } },
        { error: {} },
      ],
    },
    {
      name: 'of any other error nothing leaves the server',
      observe: ask('fail', 'error', 'http', 'string'),
      expected: [internal, internal, internal],
    },
    {
      name: 'an asynchronous handler fails as any other',
      observe: ask('fail.later', {}),
      expected: [{ error: { later: true } }],
    },
    {
      name: 'a filter of a controller changes the error, or answers instead',
      observe: ask('fail', 'special', 'answer'),
      expected: [{ error: { filtered: 'refused' } }, { instead: 'answer' }, 'end'],
    },
    {
      name: 'the filter of a handler goes before that of its controller, the global one is for the rest',
      observe: async (world) => [
        ...(await ask('fail.specially', 'more', 'less')(world)),
        ...(await ask('fail', 'range')(world)),
      ],
      expected: [
        { error: { handler: 'more' } },
        { error: { filtered: 'less' } },
        { error: { global: 'too far' } },
      ],
    },
  ],
};
