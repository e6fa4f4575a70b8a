import { ElkMqModule, type ElkMqContext, type ElkMqHandlerExtras } from 'nestjs-elkmq';
import { EMPTY, firstValueFrom, Subject } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { PaymentError } from '../support/failing.js';
import {
  deadLettersOf,
  events,
  logs,
  moduleOf,
  startApp,
  startClient,
  told,
  unsettled,
} from '../support/nest.js';
import { newQueueName, rejection, until } from '../support/queue.js';

const nothing = () => (): void => undefined;

/** A controller for each handler, as modules of an application have them. */
function handlersOf(
  pattern: string,
  ...handlers: [(context: ElkMqContext) => unknown, (object | undefined)?][]
) {
  const controllers = handlers.map(([handler, extras]) =>
    events({ [pattern]: (_data, context) => handler(context) }, extras),
  );
  return { ...moduleOf(...controllers), imports: [ElkMqModule] };
}

describe.each(['order.placed', 'order.*'])('several handlers of %j', (pattern) => {
  it('fail the event when one of them fails, however the others end', async () => {
    const queue = newQueueName();
    const held = new Subject<void>();
    const failing = async () => {
      await firstValueFrom(held);
      throw new PaymentError(503);
    };
    await startApp(handlersOf(pattern, [() => EMPTY], [failing]), { queue });
    await told(startClient({ queue }).emit('order.placed', {}));
    await until(() => held.observed);
    held.next();
    await until(async () => (await unsettled(queue)) === 0);
    expect(await deadLettersOf(queue)).toMatchObject([{ reason: 'failed', error: { name: 'PaymentError' } }]);
  });

  /** One handler fails at once. The other one waits until it is let go, if the event says so. */
  async function failingBesideHeld() {
    const queue = newQueueName();
    const held = new Subject<void>();
    const steps: string[] = [];
    const failing = ({ isHeld }: { isHeld: boolean }, context: ElkMqContext) => {
      if (isHeld) steps.push(`failing ${String(context.getAttempt())}`);
      throw new PaymentError(503);
    };
    const slow = async ({ isHeld }: { isHeld: boolean }, context: ElkMqContext) => {
      if (!isHeld) return;
      const attempt = String(context.getAttempt());
      steps.push(`begin ${attempt}`);
      await firstValueFrom(held);
      steps.push(`end ${attempt}`);
    };
    const module = moduleOf(events({ [pattern]: failing }), events({ [pattern]: slow }));
    const app = await startApp(module, { queue, retry: { attempts: 2, backoff: 1 } });
    const client = startClient({ queue });
    await told(client.emit('order.placed', { isHeld: true }));
    await until(() => held.observed);
    // An event that comes later, and is not held, has been through its attempts and its retry.
    await told(client.emit('order.placed', { isHeld: false }));
    await until(async () => (await deadLettersOf(queue)).length === 1);
    return { queue, held, steps, app };
  }

  it('are one attempt: the next one begins when all of them have ended', async () => {
    const { queue, held, steps } = await failingBesideHeld();
    expect(steps).toEqual(['failing 1', 'begin 1']);
    held.next();
    await until(() => steps.includes('begin 2') && held.observed);
    held.next();
    await until(async () => (await deadLettersOf(queue)).length === 2);
    expect(steps).toEqual(['failing 1', 'begin 1', 'end 1', 'failing 2', 'begin 2', 'end 2']);
  });

  it('are waited for when the server closes, also when another one has failed', async () => {
    const { queue, held, steps, app } = await failingBesideHeld();
    const closed = app.close().then(() => steps.at(-1));
    await until(() => logs.some((line) => line.includes(`Queue '${queue}' drains: `)));
    held.next();
    expect(await closed).toBe('end 1');
  });

  it.each<[string, ElkMqHandlerExtras | undefined, ElkMqHandlerExtras | undefined]>([
    ['the first', { retry: { attempts: 3, backoff: 1 } }, undefined],
    ['the second', undefined, { retry: { attempts: 3, backoff: 1 } }],
    ['both', { retry: { attempts: 3, backoff: 1 } }, { retry: { attempts: 3, backoff: 1 } }],
  ])('have the retry policy of %s', async (_who, first, second) => {
    const queue = newQueueName();
    const attempts: number[] = [];
    const failing = (context: ElkMqContext) => {
      attempts.push(context.getAttempt());
      throw new PaymentError(503);
    };
    await startApp(handlersOf(pattern, [nothing(), first], [failing, second]), { queue });
    await told(startClient({ queue }).emit('order.placed', {}));
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(attempts).toEqual([1, 2, 3]);
  });

  it.each([0, 1])('show retry.when and the dead letter what handler %i threw', async (position) => {
    const queue = newQueueName();
    const seen: unknown[] = [];
    const retry = { attempts: 2, backoff: 1, when: (error: unknown) => (seen.push(error), false) };
    const error = new PaymentError(402);
    const failing = async () => {
      await Promise.resolve();
      throw error;
    };
    const handlers: [() => unknown][] = [[nothing()], [nothing()]];
    handlers[position] = [failing];
    await startApp(handlersOf(pattern, ...handlers), { queue, retry });
    await told(startClient({ queue }).emit('order.placed', {}));
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(seen).toEqual([error]);
    expect(await deadLettersOf(queue)).toMatchObject([{ error: { message: error.message } }]);
  });

  it('that fail in the other order: the error of the first handler counts', async () => {
    const queue = newQueueName();
    const held = new Subject<void>();
    const seen: unknown[] = [];
    const retry = { attempts: 2, backoff: 1, when: (error: unknown) => (seen.push(error), false) };
    const [first, second] = [new PaymentError(500), new PaymentError(501)];
    const late = async () => {
      await firstValueFrom(held);
      throw first;
    };
    const early = () => {
      held.next();
      throw second;
    };
    await startApp(handlersOf(pattern, [late], [early]), { queue, retry });
    await told(startClient({ queue }).emit('order.placed', {}));
    await until(async () => (await deadLettersOf(queue)).length === 1);
    expect(seen).toEqual([first]);
  });

  it.each([
    [{ retry: { attempts: 3 } }, { retry: { attempts: 5 } }, 'retry', '{ attempts: 3 } and { attempts: 5 }'],
    [{ delivery: 'once' }, { delivery: 'at-least-once' }, 'delivery', "'once' and 'at-least-once'"],
  ] as const)('with %j and %j keep the server from listening', async (first, second, name, both) => {
    const queue = newQueueName();
    const module = handlersOf(pattern, [nothing(), first], [nothing()], [nothing(), second]);
    expect(await rejection(startApp(module, { queue }))).toMatchObject({
      code: 'INVALID_OPTION',
      message: `the handlers of '${pattern}' must have the same ${name}, or only one of them may have it, got ${both}`,
    });
  });
});
