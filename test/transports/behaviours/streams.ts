import { Controller } from '@nestjs/common';
import { MessagePattern, RpcException } from '@nestjs/microservices';
import {
  concat,
  EMPTY,
  finalize,
  firstValueFrom,
  interval,
  map,
  Observable,
  of,
  range,
  take,
  throwError,
} from 'rxjs';
import { until } from '../../support/queue.js';
import { heard, noted, notes, type Area } from '../behaviour.js';

@Controller()
class Streams {
  @MessagePattern('count')
  count(to: number): Observable<number> {
    return range(1, to);
  }

  @MessagePattern('slowly')
  slowly(to: number): Observable<number> {
    return interval(5).pipe(take(to));
  }

  @MessagePattern('empty')
  empty(): Observable<never> {
    return EMPTY;
  }

  @MessagePattern('fails.late')
  failsLate(): Observable<number> {
    return concat(
      of(1, 2),
      throwError(() => new RpcException('too late')),
    );
  }

  @MessagePattern('endless')
  endless(id: string): Observable<string> {
    return interval(5).pipe(
      map((count) => `${id} ${String(count)}`),
      finalize(() => noted.push(`${id} has ended`)),
    );
  }

  @MessagePattern('mixed')
  mixed(): Observable<number> {
    return new Observable((observer) => {
      observer.next(1);
      setTimeout(() => {
        observer.next(2);
        observer.next(3);
        queueMicrotask(() => {
          observer.complete();
        });
      }, 10);
    });
  }
}

const goesOn = {
  shows: ['left behind 0', 'it goes on'],
  says: 'it goes on for nobody, for ever',
  isSilence: true,
} as const;

export const streams: Area = {
  title: 'Observables',
  controllers: [Streams],
  behaviours: [
    {
      name: 'every value arrives, in order, then the end',
      observe: async ({ client }) => (await heard(client.send('count', 1_000))).length,
      expected: 1_001,
    },
    {
      name: 'values arrive one by one',
      observe: ({ client }) => heard(client.send('slowly', 5)),
      expected: [0, 1, 2, 3, 4, 'end'],
    },
    {
      name: 'values that come together arrive apart',
      observe: ({ client }) => heard(client.send('mixed', {})),
      expected: [1, 2, 3, 'end'],
    },
    { name: 'none', observe: ({ client }) => heard(client.send('empty', {})), expected: ['end'] },
    {
      name: 'an error after values arrives after them',
      observe: ({ client }) => heard(client.send('fails.late', {})),
      expected: [1, 2, { error: { status: 'error', message: 'too late' } }],
    },
    {
      name: 'an Observable that nobody listens to any more is unsubscribed from',
      async observe({ client, timeoutMs }) {
        const first = await firstValueFrom(client.send<string>('endless', 'left behind'));
        const ended = until(() => notes('left behind has ended').length > 0, timeoutMs);
        return [first, await ended.then(() => 'unsubscribed').catch(() => 'it goes on')];
      },
      expected: ['left behind 0', 'unsubscribed'],
      otherwise: {
        TCP: goesOn,
        Redis: goesOn,
        NATS: goesOn,
        RMQ: goesOn,
      },
    },
  ],
};
