import { AsyncLocalStorage } from 'node:async_hooks';
import { runInNewContext } from 'node:vm';
import {
  type ArgumentMetadata,
  type CallHandler,
  type CanActivate,
  Controller,
  createParamDecorator,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type Type,
  UseGuards,
  UseInterceptors,
  UsePipes,
} from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload, RpcException } from '@nestjs/microservices';
import {
  ElkMqBatch,
  type ElkMqBatchOptions,
  type ElkMqBatchResult,
  ElkMqContext,
  ElkMqErrorInterceptor,
  ElkMqEventPattern,
  ElkMqRecordBuilder,
  type ElkMqRetryOptions,
} from 'nestjs-elkmq';
import { lastValueFrom, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../support/calls.js';
import { deadLettersOf, moduleOf, startApp, startClient, told, unsettled } from '../support/nest.js';
import { newQueueName, rejection, until } from '../support/queue.js';

/** So long that in a test only a full batch is called. */
const LONG = { wait: 60_000 };

class Item {
  constructor(readonly id: number) {}
}

type Items = { id: number }[];
type Handler = (items: Items, contexts: ElkMqContext[]) => ElkMqBatchResult | Promise<ElkMqBatchResult>;

/** A controller with a batch handler of the event `item`. */
function eventBatches(handle: Handler, options: ElkMqBatchOptions, retry?: ElkMqRetryOptions): Type {
  @Controller()
  @UseInterceptors(ElkMqErrorInterceptor)
  class Batches {
    @ElkMqEventPattern('item', { ...(retry && { retry }) })
    @ElkMqBatch(options)
    items(@Payload() items: Items, @Ctx() contexts: ElkMqContext[]) {
      return handle(items, contexts);
    }
  }
  return Batches;
}

/** A controller with a batch handler of the request `double`. */
function requestBatches(handle: (values: number[]) => ElkMqBatchResult, options: ElkMqBatchOptions): Type {
  @Controller()
  class Batches {
    @MessagePattern('double')
    @ElkMqBatch(options)
    double(@Payload() values: number[]) {
      return handle(values);
    }
  }
  return Batches;
}

const idsOf = (items: Items): number[] => items.map(({ id }) => id);

async function emitItems(queue: string, ...ids: number[]): Promise<void> {
  const client = startClient({ queue });
  await Promise.all(ids.map((id) => told(client.emit('item', new Item(id)))));
}

describe('@ElkMqBatch', () => {
  it('calls a handler with as many messages as a batch has, each with its context', async () => {
    const queue = newQueueName();
    const batches: [number[], unknown[]][] = [];
    const handle: Handler = (items, contexts) => {
      batches.push([idsOf(items), contexts.map((context) => context.getPattern())]);
    };
    await startApp(moduleOf(eventBatches(handle, { size: 5, ...LONG })), { queue });
    await emitItems(queue, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    await until(() => batches.length === 2);
    const pattern = ['item', 'item', 'item', 'item', 'item'];
    expect(batches).toEqual([
      [[1, 2, 3, 4, 5], pattern],
      [[6, 7, 8, 9, 10], pattern],
    ]);
    await until(async () => (await unsettled(queue)) === 0);
  });

  it('calls it with fewer when the first of them has waited for long enough', async () => {
    const queue = newQueueName();
    const handled: number[] = [];
    const handle: Handler = (items) => {
      handled.push(...idsOf(items));
    };
    await startApp(moduleOf(eventBatches(handle, { size: 100, wait: 20 })), { queue });
    await emitItems(queue, 1, 2, 3);
    await until(() => handled.length === 3);
    await emitItems(queue, 4);
    await until(() => handled.length === 4);
  });

  it('fails one message by an error in its place; a retry is in a later batch', async () => {
    const queue = newQueueName();
    const batches: [number, number][][] = [];
    const handle: Handler = (items, contexts) => {
      batches.push(items.map(({ id }, index) => [id, contexts[index]?.getAttempt() ?? 0]));
      return items.map(({ id }) => (id === 2 ? new RangeError('no 2') : undefined));
    };
    const retry = { attempts: 2, backoff: 1 };
    await startApp(moduleOf(eventBatches(handle, { size: 3, wait: 1_000 }, retry)), { queue });
    await emitItems(queue, 1, 2, 3);
    await until(async () => (await deadLettersOf(queue)).length === 1 && (await unsettled(queue)) === 0);
    expect(batches.flat().sort()).toEqual([
      [1, 1],
      [2, 1],
      [2, 2],
      [3, 1],
    ]);
    const [letter] = await deadLettersOf(queue);
    expect(letter).toMatchObject({ reason: 'failed', error: { name: 'RangeError', message: 'no 2' } });
  });

  it('takes an error of another realm for an error, as a test in Jest has them', async () => {
    const queue = newQueueName();
    const error = runInNewContext('new RangeError("foreign")') as Error;
    const handle: Handler = (items) => items.map(() => error);
    await startApp(moduleOf(eventBatches(handle, { size: 2, ...LONG })), { queue });
    await emitItems(queue, 1, 2);
    await until(async () => (await deadLettersOf(queue)).length === 2);
    const letters = await deadLettersOf(queue);
    expect(letters.map((letter) => letter.error?.message)).toEqual(['foreign', 'foreign']);
  });

  it('fails all messages of a batch when the handler throws', async () => {
    const queue = newQueueName();
    const handle: Handler = () => Promise.reject(new RangeError('none of them'));
    await startApp(moduleOf(eventBatches(handle, { size: 3, ...LONG })), { queue });
    await emitItems(queue, 1, 2, 3);
    await until(async () => (await deadLettersOf(queue)).length === 3);
    const letters = await deadLettersOf(queue);
    expect(letters.map(({ error }) => error?.message)).toEqual(Array(3).fill('none of them'));
  });

  it('answers each request with its element', async () => {
    const queue = newQueueName();
    const sizes: number[] = [];
    const double = (values: number[]) => {
      sizes.push(values.length);
      return values.map((value) =>
        value < 0 ? new RpcException(`${String(value)} is negative`) : value * 2,
      );
    };
    await startApp(moduleOf(requestBatches(double, { size: 4, ...LONG })), { queue });
    const client = startClient({ queue });
    const answers = [1, 2, -3, 4].map((value) => lastValueFrom(client.send<number>('double', value)));
    expect(await rejection(answers[2] as Promise<number>)).toMatchObject({ message: '-3 is negative' });
    expect(await Promise.all(answers.filter((_, index) => index !== 2))).toEqual([2, 4, 8]);
    expect(sizes).toEqual([4]);
  });

  it.each([
    [[1], 'an array of 1'],
    [7, '7'],
    [{ length: 2 }, 'an object'],
  ])('fails all messages when the handler returns %j', async (returned, got) => {
    const queue = newQueueName();
    const handle = (() => returned) as unknown as Handler;
    await startApp(moduleOf(eventBatches(handle, { size: 2, ...LONG })), { queue });
    await emitItems(queue, 1, 2);
    await until(async () => (await deadLettersOf(queue)).length === 2);
    const [letter] = await deadLettersOf(queue);
    expect(letter?.error).toMatchObject({
      name: 'TypeError',
      message: `a batch handler must return nothing, or an array with one element for each of its 2 message(s), got ${got}`,
    });
  });

  it('has each message pass guards, pipes and interceptors by itself', async () => {
    const queue = newQueueName();
    const seen: string[] = [];
    class Guard implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        const { id } = context.switchToRpc().getData<Item>();
        seen.push(`guard ${String(id)}`);
        return id !== 2;
      }
    }
    class Interceptor implements NestInterceptor {
      intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
        seen.push(`interceptor ${String(context.switchToRpc().getData<Item>().id)}`);
        return next.handle();
      }
    }
    class Pipe implements PipeTransform {
      transform(value: unknown, { metatype, type }: ArgumentMetadata): unknown {
        if (type === 'body') seen.push(`pipe of ${String(metatype?.name)}`);
        return value;
      }
    }
    const batches: number[][] = [];
    // The decorators may be in any order.
    @Controller()
    class Batches {
      @ElkMqBatch({ size: 2, items: Item, ...LONG })
      @UsePipes(Pipe)
      @EventPattern('item')
      @UseInterceptors(Interceptor)
      @UseGuards(Guard)
      items(@Payload() items: Item[]): void {
        batches.push(idsOf(items));
      }
    }
    await startApp(moduleOf(Batches), { queue });
    await emitItems(queue, 1, 2, 3);
    await until(() => batches.length === 1);
    expect(batches).toEqual([[1, 3]]);
    expect(seen.sort()).toEqual([
      'guard 1',
      'guard 2',
      'guard 3',
      'interceptor 1',
      'interceptor 3',
      'pipe of Item',
      'pipe of Item',
    ]);
  });

  it('gives pipes the class of an item for payloads, and not for contexts or decorators of the application', async () => {
    const queue = newQueueName();
    const Tenant = createParamDecorator(() => 'a');
    const seen = new Map<unknown, string | undefined>();
    class Pipe implements PipeTransform {
      transform(value: unknown, { metatype }: ArgumentMetadata): unknown {
        seen.set(value instanceof ElkMqContext ? 'context' : value, metatype?.name);
        return value;
      }
    }
    let handled: unknown[] = [];
    @Controller()
    class Batches {
      @ElkMqEventPattern('decorated')
      @UsePipes(Pipe)
      @ElkMqBatch({ size: 2, wait: 1, items: Item })
      decorated(
        @Ctx() contexts: ElkMqContext[],
        @Tenant() tenants: string[],
        @Payload() items: string[],
      ): void {
        handled = [contexts.length, tenants, items];
      }

      @EventPattern('plain')
      @UsePipes(Pipe)
      @ElkMqBatch({ size: 2, wait: 1, items: Item })
      plain(items: string[]): void {
        handled = items;
      }
    }
    await startApp(moduleOf(Batches), { queue });
    const client = startClient({ queue });
    await told(client.emit('decorated', 'first'));
    await until(() => handled.length === 3);
    expect(handled).toEqual([1, ['a'], ['first']]);
    await told(client.emit('plain', 'second'));
    await until(() => handled.length === 1);
    expect(Object.fromEntries(seen)).toMatchObject({
      context: 'Array',
      a: 'Array',
      first: 'Item',
      second: 'Item',
    });
  });

  it('gives each application its own batches', async () => {
    const batches: [string, number[]][] = [];
    class Named {
      name = '';
    }
    const handle = function (this: Named, items: Items): void {
      batches.push([this.name, idsOf(items)]);
    };
    @Controller()
    class Batches extends Named {
      @ElkMqEventPattern('item')
      @ElkMqBatch({ size: 2, ...LONG })
      items(@Payload() items: Items): void {
        handle.call(this, items);
      }
    }
    const queues = [newQueueName(), newQueueName()] as const;
    for (const queue of queues) {
      const app = await startApp(moduleOf(Batches), { queue });
      app.get(Batches).name = queue;
    }
    await Promise.all(queues.map((queue) => emitItems(queue, 1)));
    await Promise.all(queues.map((queue) => emitItems(queue, 2)));
    await until(() => batches.length === 2);
    expect(batches.sort()).toEqual([...queues].sort().map((queue) => [queue, [1, 2]]));
  });

  it('calls the handler outside of the async context of each message', async () => {
    const queue = newQueueName();
    const users = new AsyncLocalStorage<number>();
    const seen: (number | undefined)[] = [];
    class Login implements CanActivate {
      canActivate(context: ExecutionContext): boolean {
        users.enterWith(context.switchToRpc().getData<Item>().id);
        return true;
      }
    }
    @Controller()
    class Batches {
      @EventPattern('item')
      @UseGuards(Login)
      @ElkMqBatch({ size: 2, ...LONG })
      items(@Payload() items: Items): void {
        seen.push(...items.map(() => users.getStore()));
      }
    }
    await startApp(moduleOf(Batches), { queue });
    await emitItems(queue, 1, 2);
    await until(() => seen.length === 2);
    expect(seen).toEqual([undefined, undefined]);
  });

  it('has at most one message of an ordering key in a batch', async () => {
    const queue = newQueueName();
    const batches: number[][] = [];
    const handle: Handler = (items) => {
      batches.push(idsOf(items));
    };
    await startApp(moduleOf(eventBatches(handle, { size: 10, wait: 20 })), { queue });
    const client = startClient({ queue });
    for (const id of [1, 2, 3])
      await told(client.emit('item', new ElkMqRecordBuilder(new Item(id)).setOrderingKey('key').build()));
    await until(() => batches.length === 3);
    expect(batches).toEqual([[1], [2], [3]]);
  });

  it('starts batches that are not full when the application closes, also of messages that come late', async () => {
    const queue = newQueueName();
    const waits: number[] = [];
    let close = (): void => undefined;
    const isClosing = new Promise<void>((resolve) => (close = resolve));
    class Late implements CanActivate {
      async canActivate(context: ExecutionContext): Promise<boolean> {
        const { id } = context.switchToRpc().getData<Item>();
        waits.push(id);
        if (id === 2) await isClosing;
        return true;
      }
    }
    const batches: number[][] = [];
    @Controller()
    class Batches {
      @EventPattern('item')
      @UseGuards(Late)
      @ElkMqBatch({ size: 10, ...LONG })
      items(@Payload() items: Items): void {
        batches.push(idsOf(items));
      }
    }
    const app = await startApp(moduleOf(Batches), { queue, drainTimeout: 30_000 });
    await emitItems(queue, 1, 2);
    await until(() => waits.length === 2);
    const closed = app.close();
    await until(() => batches.length === 1);
    close();
    await closed;
    expect(batches).toEqual([[1], [2]]);
    expect(await unsettled(queue)).toBe(0);
    expect(await deadLettersOf(queue)).toEqual([]);
  });

  it('is refused by `listen` when a batch can never be full', async () => {
    const queue = newQueueName();
    const starting = startApp(moduleOf(eventBatches(() => undefined, { size: 5 })), {
      queue,
      concurrency: 4,
    });
    expect(await rejection(starting)).toMatchObject({
      code: 'INVALID_OPTION',
      message:
        "the handler of 'item': the size of its batches must be at most the concurrency of the server (4), got 5",
    });
  });

  it('is refused twice on one method', () => {
    const define = () => {
      class Batches {
        @ElkMqBatch()
        @ElkMqEventPattern('item')
        @ElkMqBatch()
        items(): void {
          return;
        }
      }
      return Batches;
    };
    expect(messageOf('INVALID_OPTION', define)).toBe(
      'the method items must have only one @ElkMqBatch, got two',
    );
  });

  it.each([
    [{ size: 1 }, 'size must be a whole number from 2 to 10000, got 1'],
    [{ wait: 0 }, 'wait must be a number of milliseconds from 1 to 60000, got 0'],
    [{ items: 'Item' }, 'items must be a class or left out, got "Item"'],
    [{ count: 5 }, 'ElkMqBatch has no option "count"; it has items, size, wait'],
    [null, 'ElkMqBatch must be { items, size, wait }, got null'],
  ])('refuses %j when the class is defined', (options, expected) => {
    const define = () => ElkMqBatch(options as ElkMqBatchOptions);
    expect(messageOf('INVALID_OPTION', define)).toContain(expected);
  });
});
