import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, MessagePattern, Payload } from '@nestjs/microservices';
import { elkMqExtras, ElkMqContext, type ElkMqHandlerExtras } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { messageOf } from '../support/calls.js';
import { events, moduleOf, startApp, startClient } from '../support/nest.js';
import { newQueueName, rejection, until } from '../support/queue.js';

const attempts: string[] = [];

/** Fails at first. Its methods have typed parameters, which Nest 12 refuses beside extras of any other type. */
@Controller()
class Orders {
  @EventPattern('placed', elkMqExtras({ delivery: 'at-least-once', retry: { attempts: 2, backoff: 10 } }))
  placed(@Payload() order: { id: number }, @Ctx() context: ElkMqContext): void {
    this.note(`placed ${String(order.id)}`, context);
  }

  @MessagePattern('total', elkMqExtras({ retry: { attempts: 3, backoff: 10 } }))
  total(@Payload() prices: number[], @Ctx() context: ElkMqContext): number {
    this.note('total', context);
    return prices.length;
  }

  private note(what: string, context: ElkMqContext): void {
    attempts.push(`${what}, attempt ${String(context.getAttempt())}`);
    if (context.getAttempt() === 1) throw new Error('not yet');
  }
}

describe('elkMqExtras', () => {
  it('gives a handler its own retry policy, for events and for requests', async () => {
    const queue = newQueueName();
    await startApp(moduleOf(Orders), { queue });
    const client = startClient({ queue });
    expect(await lastValueFrom(client.send<number>('total', [1, 2]))).toBe(2);
    client.emit('placed', { id: 7 });
    await until(() => attempts.length === 4);
    expect(attempts.sort()).toEqual([
      'placed 7, attempt 1',
      'placed 7, attempt 2',
      'total, attempt 1',
      'total, attempt 2',
    ]);
  });

  it.each([
    [{ delivery: 'twice' }, "delivery must be 'once' or 'at-least-once', got \"twice\""],
    [{ retry: { attempts: 0 } }, 'retry.attempts must be a whole number from 1 to 2147483647, got 0'],
    [{ retry: { attempts: 2, backoff: '1s' } }, 'retry.backoff must be a number of milliseconds or'],
    [{ retires: { attempts: 2 } }, 'elkMqExtras has no option "retires"; it has delivery, order, retry'],
    [undefined, 'elkMqExtras must be { delivery, order, retry }, got undefined'],
    [{ order: 'skip' }, 'order must be \'block\' or left out, got "skip"'],
  ])('refuses %j when the class is defined', (extras, expected) => {
    const define = () => elkMqExtras(extras as ElkMqHandlerExtras);
    expect(messageOf('INVALID_OPTION', define)).toContain(expected);
  });
});

describe("a wrong extra of Nest's own decorator", () => {
  it.each([
    [{ retry: 5 }, 'retry must be { attempts, backoff, when }, got 5'],
    [{ delivery: 'twice' }, "delivery must be 'once' or 'at-least-once', got \"twice\""],
    [{ order: 'skip' }, 'order must be \'block\' or left out, got "skip"'],
  ])('keeps the server from listening, and the error names its pattern: %j', async (extras, why) => {
    const [right, wrong] = [() => 'right', () => 'wrong'];
    const module = moduleOf(events({ placed: right }), events({ sent: wrong }, extras));
    expect(await rejection(startApp(module, { queue: newQueueName() }))).toMatchObject({
      code: 'INVALID_OPTION',
      message: `the handler of 'sent': ${why}`,
    });
  });
});
