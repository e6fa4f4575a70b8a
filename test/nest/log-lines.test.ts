import { Subject } from 'rxjs';
import { ElkMqModule, type ElkMqContext } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { emitPay, failing } from '../support/failing.js';
import { deadLettersOf, events, logs, moduleOf, startApp } from '../support/nest.js';
import { newQueueName, until } from '../support/queue.js';
import { isAboutServer } from '../support/test-redis.js';

/** The lines about the messages of a queue, without its name. */
function linesOf(queue: string): string[] {
  const name = `Queue '${queue}': `;
  const lines = logs.filter((line) => line.includes(name) && !isAboutServer(line));
  return lines.map((line) => line.replace(name, ''));
}

describe('the log has a line', () => {
  it('for each retry, with the attempt, the time until the next one, and why; and it leads to the dead letter', async () => {
    const queue = newQueueName();
    const { handler } = failing(9);
    const module = { ...moduleOf(events({ pay: handler })), imports: [ElkMqModule] };
    await startApp(module, { queue, retry: { attempts: 3, backoff: 7 } });
    await emitPay(queue);
    await until(async () => (await deadLettersOf(queue)).length === 1);
    const [letter] = await deadLettersOf(queue);
    const what = `[ElkMqServer] pay (${String(letter?.origin)})`;
    expect(linesOf(queue)).toEqual([
      `warn ${what} failed in attempt 1 of 3, next in 7 ms: payment answered 503`,
      `warn ${what} failed in attempt 2 of 3, next in 7 ms: payment answered 503`,
      `error ${what} was not handled (failed): payment answered 503`,
    ]);
  });

  it('for each time that a handler asks for another attempt', async () => {
    const queue = newQueueName();
    const handler = (_data: unknown, context: ElkMqContext) => {
      if (context.getAttempt() === 1) context.retry(9);
    };
    await startApp(moduleOf(events({ pay: handler })), { queue });
    await emitPay(queue);
    await until(() => linesOf(queue).length === 1);
    expect(linesOf(queue)).toEqual([
      expect.stringMatching(
        /^log \[ElkMqServer\] pay \(\d+-\d+\) was put off by its handler in attempt 1, next in 9 ms$/,
      ),
    ]);
  });

  it('when a worker that closes waits for handlers', async () => {
    const queue = newQueueName();
    const work = new Subject<void>();
    const app = await startApp(moduleOf(events({ pay: () => work })), { queue, drainTimeout: 60_000 });
    await emitPay(queue);
    await until(() => work.observed);
    const closed = app.close();
    await until(() => logs.some((line) => line.includes(`'${queue}' drains`)));
    expect(logs).toContainEqual(
      `log [ElkMqServer] Queue '${queue}' drains: 1 message(s) are being handled, for 60000 ms (drainTimeout) at the most`,
    );
    work.complete();
    await closed;
  });
});
