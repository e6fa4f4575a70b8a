import { lastValueFrom } from 'rxjs';
import { expect, it } from 'vitest';
import { startClient } from '../support/nest.js';
import { TestProcess } from '../support/processes.js';
import { newQueueName, redis, until, url } from '../support/queue.js';

const consumersOf = (queue: string) => redis.xinfo('CONSUMERS', `${queue}(event_stream)`, 'elkmq');

it.each(['SIGTERM', 'SIGINT'] as const)(
  '%s with enableShutdownHooks does what close does',
  async (signal) => {
    const queue = newQueueName();
    const worker = await TestProcess.start('queue-worker', url, queue);
    const client = startClient({ queue });
    const answer = lastValueFrom(client.send('wait', {}));
    await worker.told('waiting');
    worker.kill(signal);
    await worker.told('closing');
    const late = lastValueFrom(client.send('ask', { id: 1 }));
    worker.tell('done');
    expect(await answer).toBe('done');
    await until(() => worker.ended !== undefined);
    expect(worker.ended).toBe(signal);
    expect(worker.output).toBe('');
    expect(await consumersOf(queue)).toEqual([]);

    // Nest tells modules before it tells the transport, so either worker may have taken it.
    await TestProcess.start('queue-worker', url, queue);
    expect(await late).toMatchObject({ id: 1 });
  },
);

it.each(['microservice', 'hybrid'])(
  'SIGTERM: a handler that runs in a %s with ElkMqModule has its database until it is done',
  async (kind) => {
    const queue = newQueueName();
    const worker = await TestProcess.start('database-worker', url, queue, kind);
    const client = startClient({ queue });
    const answer = lastValueFrom(client.send('row', {}));
    await worker.told('started');
    worker.kill('SIGTERM');
    await worker.told('signalled');
    worker.tell('go on');
    expect(await answer).toBe('a row');
    await worker.told('closed');
    await until(() => worker.ended !== undefined);
    expect(worker.output).toBe('');
    expect(await consumersOf(queue)).toEqual([]);
  },
);
