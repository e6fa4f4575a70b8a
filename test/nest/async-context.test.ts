import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Controller, Injectable, UseGuards, UseInterceptors, UsePipes, type Type } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { ElkMqEventPattern } from 'nestjs-elkmq';
import { lastValueFrom, map, type Observable } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { moduleOf, startApp, startClient } from '../support/nest.js';
import { newQueueName, until } from '../support/queue.js';

const users = new AsyncLocalStorage<string>();
/** The store that each part of the application saw before it entered one of its own. */
const seen: (string | undefined)[] = [];

function enter(): void {
  seen.push(users.getStore());
  users.enterWith('a user');
}

@Injectable()
class Guard {
  canActivate(): boolean {
    enter();
    return true;
  }
}

@Injectable()
class Pipe {
  transform(value: unknown): unknown {
    enter();
    return value;
  }
}

@Injectable()
class Interceptor {
  intercept(_context: unknown, next: { handle(): Observable<unknown> }): Observable<unknown> {
    enter();
    return next.handle();
  }
}

function controllerOf(decorator: ClassDecorator, inHandler: () => void = () => undefined): Type {
  @Controller()
  @decorator
  class TestController {
    @MessagePattern('ask')
    ask(@Payload() value: unknown): unknown {
      inHandler();
      return value;
    }

    @MessagePattern('ask later')
    async askLater(@Payload() value: unknown): Promise<unknown> {
      inHandler();
      await sleep(1);
      return [value, users.getStore()];
    }

    @ElkMqEventPattern('tell')
    tell(): void {
      inHandler();
    }
  }
  return TestController;
}

const nothing: ClassDecorator = () => undefined;

describe('a message does not see the async context of another one, when it was entered in', () => {
  it.each<[string, Type]>([
    ['a guard', controllerOf(UseGuards(Guard))],
    ['a pipe', controllerOf(UsePipes(Pipe))],
    ['an interceptor', controllerOf(UseInterceptors(Interceptor))],
    ['a handler', controllerOf(nothing, enter)],
  ])('%s', async (_where, controller) => {
    seen.length = 0;
    const queue = newQueueName();
    // Started in a context, too.
    await users.run('who has started it', () => startApp(moduleOf(controller), { queue }));
    const client = startClient({ queue });
    for (let i = 0; i < 5; i++) {
      await Promise.all([1, 2, 3].map((value) => lastValueFrom(client.send('ask', value))));
      expect(await lastValueFrom(client.send('ask later', i))).toEqual([i, 'a user']);
      await lastValueFrom(client.emit('tell', i), { defaultValue: undefined });
    }
    await until(() => seen.length === 25);
    expect(seen.filter((user) => user !== undefined)).toEqual([]);
  });
});

it('what a client tells is told in the context of who has subscribed', async () => {
  const queue = newQueueName();
  await startApp(moduleOf(controllerOf(nothing)), { queue });
  const client = startClient({ queue });
  const ask = (user: string) =>
    users.run(user, () => lastValueFrom(client.send('ask', 1).pipe(map(() => users.getStore()))));
  const tell = (user: string) =>
    users.run(
      user,
      () =>
        new Promise((resolve, reject) => {
          client.emit('tell', 1).subscribe({
            complete: () => {
              resolve(users.getStore());
            },
            error: reject,
          });
        }),
    );
  expect(await ask('first')).toBe('first');
  expect(await Promise.all(['a', 'b', 'c'].map(ask))).toEqual(['a', 'b', 'c']);
  expect(await Promise.all(['a', 'b', 'c'].map(tell))).toEqual(['a', 'b', 'c']);
});
