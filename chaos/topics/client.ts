import { Logger } from '@nestjs/common';
import { ElkMqClient } from 'nestjs-elkmq';
import { setTimeout as sleep } from 'node:timers/promises';
import { lastValueFrom } from 'rxjs';
import { LedgerWriter } from '../faults/ledger.js';
import { processArguments, tellParent } from '../faults/process-arguments.js';
import { PATTERN } from './roles.js';

/** A publisher process: emits its share of the events, and writes into the ledger what became of each. */

/** Events that are on their way at once. */
const IN_FLIGHT = 100;

const { queue: topic, url, folder, life, first, step, end } = processArguments();
const ledger = new LedgerWriter(folder, life);
const client = new ElkMqClient({ topic, url });
Logger.overrideLogger(['warn', 'error', 'fatal']);

let next = first;
let last = end;
// Enough: the run is as long as it was to be.
process.once('message', () => {
  last = next;
});
const terminated = new AbortController();
process.once('SIGTERM', () => {
  terminated.abort();
  last = next;
});

async function emitAll(): Promise<void> {
  while (next < last) {
    const number = next;
    next += step;
    ledger.write('sent', number);
    try {
      await lastValueFrom(client.emit(PATTERN, { number }), { defaultValue: undefined });
      ledger.write('stored', number);
    } catch (error) {
      ledger.write('refused', number, (error as Error).name);
      // Redis is away for long: not thousands of refusals a second.
      await sleep(100);
    }
  }
}

await client.connect().catch(() => undefined);
tellParent('ready');
await Promise.all(Array.from({ length: IN_FLIGHT }, emitAll));
await client.close();
if (!terminated.signal.aborted) tellParent('finished');
process.disconnect();
