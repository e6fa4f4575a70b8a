import { ConnectionError, EventQueue, ServiceEvent, Topic, type EventQueueOptions } from 'elkmq';
import { describe, expect, it, onTestFinished } from 'vitest';
import { closing, newQueueName, redis, rejection, until, url } from '../support/queue.js';

/** Nothing listens there. */
const NOWHERE = 'redis://127.0.0.1:1';

/** The warnings of this process, until the test is over. */
function warningsOfProcess(): string[] {
  const warnings: string[] = [];
  const add = ({ message }: Error): void => void warnings.push(message);
  process.on('warning', add);
  onTestFinished(() => void process.off('warning', add));
  return warnings;
}

const failing = {
  throws: () => {
    throw new Error('a bug of the listener');
  },
  rejects: () => Promise.reject(new Error('a bug of the listener')) as never,
};

describe.each(['throws', 'rejects'] as const)('a listener that %s', (how) => {
  it('is a warning of the process, and a Topic publishes and closes all the same', async () => {
    const warnings = warningsOfProcess();
    const topic = new Topic(newQueueName(), url, { onWarning: failing[how] });
    expect(await topic.publish(new ServiceEvent(60, 'nobody'))).toBe(0);
    await topic.close();
    await until(() => warnings.length > 0);
    expect(warnings).toEqual(['The listener onWarning has failed: a bug of the listener']);
    expect(await redis.keys(`{${topic.name}}(producer)*`)).toEqual([]);
  });

  it('is a warning of the process, and an EventQueue goes on', async () => {
    const warnings = warningsOfProcess();
    const options: EventQueueOptions = { enqueueTimeout: 500, onError: failing[how] };
    const queue = closing(new EventQueue(newQueueName(), NOWHERE, options));
    expect(await rejection(queue.enqueue(new ServiceEvent(60, 'a')))).toBeInstanceOf(ConnectionError);
    await until(() => warnings.length > 0);
    expect(warnings[0]).toBe('The listener onError has failed: a bug of the listener');
  });
});

it('a listener that is no function is an error of the constructor', () => {
  const topic = (): Topic => new Topic('orders', NOWHERE, { onWarning: 5 as never });
  expect(topic).toThrow('onWarning must be a function, got 5');
  const queue = (): EventQueue => new EventQueue('orders', NOWHERE, { onError: 'log' as never });
  expect(queue).toThrow('onError must be a function, got "log"');
});
