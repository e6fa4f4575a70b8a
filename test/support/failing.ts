import type { Type } from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { ElkMqErrorInterceptor, type ElkMqContext } from 'nestjs-elkmq';
import { lastValueFrom } from 'rxjs';
import { moduleOf, startClient, unsettled } from './nest.js';
import { redis } from './queue.js';

/** An error with a class and fields of its own. */
export class PaymentError extends Error {
  override readonly name = 'PaymentError';

  constructor(readonly status: number) {
    super(`payment answered ${status}`);
  }
}

/** With the interceptor for all handlers. */
export function watched(...controllers: Type[]) {
  return {
    ...moduleOf(...controllers),
    providers: [{ provide: APP_INTERCEPTOR, useClass: ElkMqErrorInterceptor }],
  };
}

/** A handler that fails so many times, and notes when it was called. */
export function failing(times: number, error: () => unknown = () => new PaymentError(503)) {
  const calls: { at: number; attempt: number; timestamp: number }[] = [];
  const handler = (data: unknown, context: ElkMqContext): unknown => {
    calls.push({ at: Date.now(), attempt: context.getAttempt(), timestamp: context.getTimestamp() });
    if (calls.length <= times) throw error();
    return data;
  };
  return { calls, handler };
}

export async function emitPay(queue: string, pattern = 'pay'): Promise<void> {
  await lastValueFrom(startClient({ queue }).emit(pattern, { id: 7 }), { defaultValue: undefined });
}

export async function isSettled(queue: string): Promise<boolean> {
  return (await unsettled(queue)) === 0 && (await redis.zcard(`${queue}(delayed)`)) === 0;
}
