import { Topic } from 'elkmq';
import { QueueAdmin, ServiceEvent, type ElkMqServer } from 'nestjs-elkmq';
import type { PrivateRedis } from '../../scripts/redis.js';
import { deadLettersOf } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { until } from '../support/queue.js';
import { writeMinute } from '../support/rates.js';
import { startWorker } from '../support/workers.js';

const HOUR_MS = 3_600_000;

/** An error with the stack of another program, which is the same on every machine. */
class PriceError extends Error {
  override readonly name = 'PriceError';
  override readonly stack = `PriceError: ${this.message}
    at PriceList.priceOf (/srv/orders/prices.js:31:11)
    at OrdersController.placed (/srv/orders/orders.controller.js:18:27)`;
}

/** The queues of a shop on a Redis of their own, with a worker for the orders. */
export interface Shop {
  readonly redis: PrivateRedis;
  readonly orders: QueueAdmin;
  readonly worker: ElkMqServer;
  /** The orders that were handled. */
  readonly handled: unknown[];
  /** Lets the orders that failed be handled when they come again. */
  readonly repair: () => void;
}

/** Starts the shop: five orders have failed, one runs, three are due later; six mails wait for a worker. */
export async function startShop(): Promise<Shop> {
  const redis = await ownRedis();
  const { url } = redis;
  const state = { isBroken: true, handled: [] as unknown[] };
  const handleOrder = (payload: unknown): Promise<unknown> => {
    if (state.isBroken) return Promise.reject(new PriceError('the article "pen" has no price'));
    state.handled.push(payload);
    return Promise.resolve();
  };
  const worker = await startWorker(
    { queue: 'orders', url, lease: 30_000, drainTimeout: 1, concurrency: 16 },
    {
      'order.placed.event': handleOrder,
      'order.shipped.event': () => new Promise(() => undefined),
      'order.total': () => Promise.resolve(35),
    },
  );
  const orders = new QueueAdmin('orders', url);
  const mails = new QueueAdmin('mails', url);
  for (const id of [4711, 4712, 4713, 4714, 4715])
    await orders.enqueue(orderOf(id), {
      headers: { tenant: id === 4713 ? 'acme' : 'globex', traceparent: TRACE },
    });
  await until(async () => (await orders.state()).deadLetters === 5);
  await orders.enqueue(new ServiceEvent(3_600, 'order.shipped.event', '{"id":4700,"parcels":[1,2,3]}'));
  await until(async () => (await orders.state()).running === 1);
  for (const id of [4801, 4802, 4803]) await orders.enqueue(orderOf(id), { delay: HOUR_MS });
  for (const number of [1, 2, 3, 4, 5, 6])
    await mails.enqueue(
      new ServiceEvent(3_600, 'mail.send', `{"to":"customer-${String(number)}@example.com"}`),
    );
  await mails.close();
  // Two hours in which the orders went well, but for one minute.
  const now = Date.now();
  for (let ago = 0; ago < 120; ago++) {
    const sent = Math.round(400 + 150 * Math.sin(ago / 9) + 40 * Math.sin(ago));
    const dead = ago === 25 ? 60 : 0;
    const counts = [
      sent,
      sent - dead,
      dead,
      dead,
      0,
      sent * (20 + (ago % 7)),
      300 + Math.round(90 * Math.sin(ago / 5)),
    ];
    await writeMinute('orders', now - ago * 60_000, counts.join(' '), clientOf(redis));
  }
  const topic = new Topic('events', url);
  await topic.subscribe('billing', { patterns: ['order.*'] });
  await topic.publish(new ServiceEvent(3_600, 'order.placed', '1'));
  await topic.close();
  return {
    redis,
    orders,
    worker,
    handled: state.handled,
    repair: () => {
      state.isBroken = false;
    },
  };
}

const TRACE = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

function orderOf(id: number): ServiceEvent {
  const order = `{"id":${String(id)},"account":90071992547409931234567,"total":1.10,"lines":[{"article":"pen","count":3}]}`;
  return new ServiceEvent(3_600, 'order.placed.event', order);
}

export { clientOf, deadLettersOf };
