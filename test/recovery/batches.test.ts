import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { ElkMqBatch, ElkMqContext, ElkMqEventPattern } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { deadLettersOf, moduleOf, startApp, startClient, told, unsettled } from '../support/nest.js';
import { TestProcess } from '../support/processes.js';
import { newQueueName, until, url } from '../support/queue.js';

describe('a batch whose worker is killed', () => {
  it('has each of its messages handled again', async () => {
    const queue = newQueueName();
    const client = startClient({ queue });
    const killed = await TestProcess.start('batch-worker', url, queue);
    await Promise.all([1, 2, 3].map((item) => told(client.emit('item', item))));
    const { taken } = await killed.told<{ taken: number[] }>('taken');
    expect(taken).toEqual([1, 2, 3]);
    killed.kill('SIGKILL');

    const again: [number, number | undefined][] = [];
    @Controller()
    class Items {
      @ElkMqEventPattern('item')
      @ElkMqBatch({ size: 3, wait: 100 })
      items(@Payload() items: number[], @Ctx() contexts: ElkMqContext[]): void {
        again.push(...items.map((item, index) => [item, contexts[index]?.getAttempt()] as [number, number]));
      }
    }
    await startApp(moduleOf(Items), { queue, lease: 1_000, delivery: 'at-least-once' });
    await until(async () => (await unsettled(queue)) === 0);
    expect(again.sort()).toEqual([
      [1, 2],
      [2, 2],
      [3, 2],
    ]);
    expect(await deadLettersOf(queue)).toEqual([]);
  });
});
