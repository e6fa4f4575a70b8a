import { Controller } from '@nestjs/common';
import { Ctx, EventPattern, RpcException } from '@nestjs/microservices';
import { ElkMqContext, EventQueue, type DeadLetter } from 'nestjs-elkmq';
import { moduleOf, startApp } from './nest.js';
import { redis } from './queue.js';

export const DAY = 24 * 60 * 60 * 1_000;

export type Letter = ReturnType<typeof deadLetter>;

/** A letter as a worker writes it. The later ones in a list died later, `number` in a group at the same time. */
export function deadLetter(
  number: number,
  reason = 'failed',
  action = 'order.placed',
  lastAt = Date.now() - DAY,
) {
  const event = `{"request_uuid":${number},"timeout":60,"action":"${action}","payload":"${number}"}`;
  return {
    reason,
    origin: `${lastAt - 1_000}-${number}`,
    fields: ['event', event, 'reply_to', ''],
    attempts: 1,
    firstAt: lastAt - 1_000,
    lastAt,
    consumer: 'worker',
  };
}

export async function writeLetters(queue: string, letters: readonly Letter[]): Promise<void> {
  const scores = letters.flatMap(({ origin, lastAt }) => [lastAt, origin]);
  await redis.zadd(`${queue}(dead_letters)`, ...scores);
  const bodies = letters.flatMap((letter) => [letter.origin, JSON.stringify(letter)]);
  await redis.hset(`${queue}(dead_letter_bodies)`, ...bodies);
}

export async function lettersOf({ deadLetters }: EventQueue, ...filter: Parameters<typeof deadLetters.all>) {
  const letters: DeadLetter[] = [];
  for await (const letter of deadLetters.all(...filter)) letters.push(letter);
  return letters;
}

export function payloadsOf(letters: readonly DeadLetter[]): (string | null | undefined)[] {
  return letters.map(({ event }) => event?.payload);
}

/** Starts a worker whose handler of `order.placed` fails until it is told not to. */
export async function startFailing(queue: string) {
  const state = { fails: true, attempts: [] as number[], headers: [] as unknown[] };
  @Controller()
  class Orders {
    @EventPattern('order.placed')
    placed(@Ctx() context: ElkMqContext): void {
      if (state.fails) throw new RpcException('sold out');
      state.attempts.push(context.getAttempt());
      state.headers.push(context.getHeaders());
    }
  }
  await startApp(moduleOf(Orders), { queue });
  return state;
}
