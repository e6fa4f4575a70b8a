import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, Payload, RpcException } from '@nestjs/microservices';
import { ElkMqEventPattern, type ElkMqContext } from 'nestjs-elkmq';
import { of } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  deadLettersOf,
  events,
  logs,
  moduleOf,
  requests,
  startApp,
  startClient,
  told,
  unsettled,
} from '../support/nest.js';
import { newQueueName, until } from '../support/queue.js';

/** Nest keeps the pattern of a handler with the function, so each needs one of its own. */
const nothing = () => (): void => undefined;

/** Returns those of the patterns that got an event. */
async function receivers(patterns: string[], action: string): Promise<string[]> {
  const queue = newQueueName();
  const received: string[] = [];
  const handlers = patterns.map((pattern) => [pattern, () => received.push(pattern)] as const);
  await startApp(moduleOf(events(Object.fromEntries(handlers))), { queue });
  await told(startClient({ queue }).emit(action, {}));
  await until(async () => (await unsettled(queue)) === 0);
  return received;
}

describe('an event goes to the handlers whose pattern matches', () => {
  it.each([
    ['order.*', ['order.placed', 'order.'], ['order', 'order.placed.late', 'orders.placed', 'ORDER.placed']],
    ['*.placed', ['order.placed', '.placed'], ['placed', 'a.order.placed']],
    ['order.#', ['order', 'order.placed', 'order.placed.late', 'order.'], ['orders', 'my.order']],
    ['#.late', ['late', 'order.placed.late', 'late.late'], ['late.order']],
    ['a.#.*.z', ['a.b.z', 'a.b.c.z', 'a.z.z'], ['a.z', 'a.b.c']],
    ['#', ['anything', 'at.all', '{"cmd":"x"}'], []],
    ['a*', ['a*'], ['ab', 'a.b']],
  ])('%s', async (pattern, those, notThose) => {
    const queue = newQueueName();
    const received: string[] = [];
    const handlers = events({ [pattern]: (_data, context) => received.push(context.getPattern()) });
    await startApp(moduleOf(handlers), { queue });
    const client = startClient({ queue });
    for (const action of [...those, ...notThose]) await told(client.emit(action, {}));
    await until(async () => (await unsettled(queue)) === 0);
    expect(received.sort()).toEqual([...those].sort());
    expect(await deadLettersOf(queue)).toHaveLength(notThose.length);
  });

  it('all of them', async () => {
    expect(await receivers(['order.*', '*.placed', 'order.#', 'bill.*'], 'order.placed')).toEqual([
      ...['order.*', '*.placed', 'order.#'],
    ]);
  });

  it('only the exact one, if there is one', async () => {
    expect(await receivers(['order.*', '#', 'order.placed'], 'order.placed')).toEqual(['order.placed']);
  });
});

describe('a method is called once for an event', () => {
  it.each([
    ['with several patterns that match', ['order.*', 'order.#'], 'order.placed'],
    ['with a pattern that is repeated', ['order.placed', 'order.placed'], 'order.placed'],
    ['with wildcards that are repeated', ['order.*', 'order.*'], 'order.placed'],
  ])('%s', async (_how, patterns, action) => {
    const queue = newQueueName();
    const called: string[] = [];
    @Controller()
    class Orders {
      @ElkMqEventPattern(patterns)
      placed(@Payload() _order: unknown, @Ctx() context: ElkMqContext): void {
        called.push(`placed ${context.getPattern()}`);
      }

      @ElkMqEventPattern('#')
      other(@Payload() _order: unknown, @Ctx() context: ElkMqContext): void {
        called.push(`other ${context.getPattern()}`);
      }
    }
    await startApp(moduleOf(Orders), { queue });
    const client = startClient({ queue });
    await told(client.emit(action, {}));
    await told(client.emit('bill.sent', {}));
    await until(async () => (await unsettled(queue)) === 0);
    const others = patterns[0] === action ? [] : [`other ${action}`];
    expect(called.sort()).toEqual([...others, 'other bill.sent', `placed ${action}`].sort());
  });

  it('in each module that has its controller', async () => {
    const queue = newQueueName();
    let calls = 0;
    @Controller()
    class Orders {
      @ElkMqEventPattern(['order.*', 'order.#'])
      placed(): void {
        calls++;
      }
    }
    await startApp({ ...moduleOf(Orders), imports: [moduleOf(Orders)] }, { queue });
    await told(startClient({ queue }).emit('order.placed', {}));
    await until(async () => (await unsettled(queue)) === 0);
    expect(calls).toBe(2);
  });
});

it('a request never goes to a pattern with wildcards', async () => {
  const queue = newQueueName();
  await startApp(moduleOf(events({ 'order.*': () => 1 }), requests({ 'bill.*': () => 2 })), { queue });
  const client = startClient({ queue });
  const error = 'There is no matching message handler defined in the remote service.';
  expect(await told(client.send('order.total', {}))).toMatchObject([{ error }]);
  expect(await told(client.send('bill.total', {}))).toMatchObject([{ error }]);
  expect(await told(client.send('bill.*', {}))).toMatchObject([{ value: 2 }, { kind: 'C' }]);
});

it('a matching handler that fails fails the event, when the others have ended; a retry calls all again', async () => {
  const queue = newQueueName();
  const calls: string[] = [];
  @Controller()
  class Orders {
    @EventPattern<string>('order.*', { retry: { attempts: 2, backoff: 1 } })
    failing(@Payload() id: number): void {
      calls.push(`failing ${String(id)}`);
      throw new RpcException('no');
    }

    @EventPattern('order.#')
    async slow(@Payload() id: number) {
      // Longer than the failing one, however busy the machine is.
      await new Promise((resolve) => setTimeout(resolve, 20));
      calls.push(`slow ${String(id)}`);
      return of(1);
    }

    @EventPattern('order.#')
    second(@Payload() id: number): void {
      calls.push(`second ${String(id)}`);
    }
  }
  await startApp(moduleOf(Orders), { queue });
  await told(startClient({ queue }).emit('order.placed', 7));
  await until(async () => (await deadLettersOf(queue)).length === 1);
  expect(await deadLettersOf(queue)).toMatchObject([
    { reason: 'failed', error: { message: expect.stringContaining('no') as unknown } },
  ]);
  expect(calls.sort()).toEqual(['failing 7', 'failing 7', 'second 7', 'second 7', 'slow 7', 'slow 7']);
});

describe('where an exact pattern keeps events from a handler with wildcards', () => {
  it('the log says so at the start, with the remedy', async () => {
    const queue = newQueueName();
    await startApp(
      moduleOf(
        events({ 'order.*': nothing(), 'order.placed': nothing(), 'bill.sent': nothing(), '#': nothing() }),
      ),
      { queue },
    );
    expect(logs).toContainEqual(
      `warn [ElkMqServer] Queue '${queue}': the handler of 'order.*' does not get 'order.placed': an exact pattern wins. To get both, give it the list ['order.*', 'order.placed']`,
    );
    expect(logs).toContainEqual(
      expect.stringContaining(
        `Queue '${queue}': the handler of '#' does not get 'order.placed', 'bill.sent': `,
      ),
    );
  });

  it('a list of both patterns has it called for both, and the log is silent', async () => {
    const queue = newQueueName();
    const audited: string[] = [];
    @Controller()
    class Audit {
      @ElkMqEventPattern(['order.*', 'order.placed'])
      audit(@Payload() _order: unknown, @Ctx() context: ElkMqContext): void {
        audited.push(context.getPattern());
      }
    }
    await startApp(moduleOf(events({ 'order.placed': nothing() }), Audit), { queue });
    const client = startClient({ queue });
    await told(client.emit('order.placed', {}));
    await told(client.emit('order.sent', {}));
    await until(async () => (await unsettled(queue)) === 0);
    expect(audited.sort()).toEqual(['order.placed', 'order.sent']);
    expect(logs.filter((line) => line.includes(queue) && line.includes('does not get'))).toEqual([]);
  });
});
