import { Logger } from '@nestjs/common';
import { ElkMqServer, type ElkMqContext } from 'nestjs-elkmq';
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a worker process is told at its start, as JSON in its only argument. */
export interface WorkerArguments {
  readonly queue: string;
  readonly url: string;
  /** The file into which it writes when handlers begin and end. */
  readonly ledger: string;
  /** The time that a handler takes, ms. */
  readonly handlerMs: number;
  readonly concurrency: number;
  readonly lease: number;
}

/** A worker process. It writes `S ID US` when a handler begins and `E ID US` when it ends, on the clock of the machine. */

const given = JSON.parse(process.argv[2] ?? '{}') as WorkerArguments;
const { queue, url, lease, concurrency } = given;
Logger.overrideLogger(['error']);
const server = new ElkMqServer({
  queue,
  url,
  lease,
  concurrency,
  delivery: 'at-least-once',
  maxDeliveries: 100,
});

const note = (what: string, id: string): void => {
  // What was written is in the hands of the operating system, so a kill does not take it along.
  appendFileSync(given.ledger, `${what} ${id} ${String(process.hrtime.bigint() / 1_000n)}\n`);
};

server.addHandler(
  'work',
  async (_payload: unknown, context: ElkMqContext) => {
    const id = context.getOrigin();
    note('S', id);
    await sleep(given.handlerMs * (0.5 + Math.random()));
    note(context.signal.aborted ? 'L' : 'E', id);
  },
  true,
);
server.listen((error) => {
  if (error) throw error;
  process.send?.('ready', undefined, undefined, () => undefined);
});
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
// Nobody but the run has use for this process.
process.once('disconnect', () => process.exit(1));
if (!process.connected) process.exit(1);
