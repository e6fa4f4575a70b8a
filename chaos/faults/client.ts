import { Logger } from '@nestjs/common';
import { ElkMqClient, ElkMqRecordBuilder, EventQueueError } from 'nestjs-elkmq';
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect, isDeepStrictEqual } from 'node:util';
import { firstValueFrom, lastValueFrom, race, tap, timer, type Observable } from 'rxjs';
import { LedgerWriter } from './ledger.js';
import { answerTo, IMPATIENCE, isRequest, Load, MEANT_ERROR, VALUES, type Kind } from './load.js';
import { addressOf, processArguments, tellParent } from './process-arguments.js';

/** A client process: sends its share of the messages, and writes into the ledger what became of each. */

/** Messages that are on their way at once. */
const IN_FLIGHT = 300;

const given = processArguments();
const { queue, folder, life, first, step, end } = given;
const load = Load.of(given);
const ledger = new LedgerWriter(folder, life);
const client = new ElkMqClient({ queue, ...addressOf(given), timeout: load.requestTimeout });
Logger.overrideLogger(['warn', 'error', 'fatal']);

let next = first;
let last = end;
const terminated = new AbortController();
process.once('SIGTERM', () => {
  terminated.abort();
  last = next;
  void client.close();
});
// Enough: the run is as long as it was to be.
process.once('message', () => {
  last = next;
});

async function sendAll(): Promise<void> {
  while (next < last) {
    const number = next;
    next += step;
    const kind = load.kindOf(number);
    ledger.write('sent', number);
    if (isRequest(kind)) ledger.write('outcome', number, await outcomeOf(kind, number));
    else await event(kind, number);
  }
}

async function event(kind: Kind, number: number): Promise<void> {
  const record = newRecord(number);
  if (kind === 'event that is delayed') record.setDelay(randomInt(100, 1_500));
  if (kind === 'event that is sent twice') record.setDeduplicationKey(String(number));
  const emit = () => lastValueFrom(client.emit(kind, record.build()), { defaultValue: undefined });
  try {
    await Promise.all(kind === 'event that is sent twice' ? [emit(), emit()] : [emit()]);
    ledger.write('stored', number);
  } catch (error) {
    ledger.write('refused', number, codeOf(error));
    // Redis is away for long: not thousands of refusals a second.
    await sleep(100);
  }
}

async function outcomeOf(kind: Kind, number: number): Promise<string> {
  if (kind !== 'request that is sent twice') return request(kind, number);
  const outcomes = await Promise.all([request(kind, number), request(kind, number)]);
  // They can be told different things by errors only.
  return outcomes.find((outcome) => outcome !== 'ok') ?? 'ok';
}

function newRecord(number: number) {
  const record = new ElkMqRecordBuilder({ number });
  const key = load.keyOf(number);
  return key === undefined ? record : record.setOrderingKey(key);
}

/** @returns `ok`, or what went wrong; `wrong` is for what may not happen */
async function request(kind: Kind, number: number): Promise<string> {
  const record = newRecord(number);
  if (kind === 'request that is impatient') record.setTimeout(IMPATIENCE);
  if (kind === 'request that is sent twice') record.setDeduplicationKey(String(number));
  const values: unknown[] = [];
  const answer: Observable<unknown> = client.send(kind, record.build());
  try {
    if (kind === 'request with many values') {
      await lastValueFrom(answer.pipe(tap((value) => values.push(value))));
      return isInOrder(values) && values.length === VALUES ? 'ok' : `wrong values ${String(values)}`;
    }
    if (kind === 'request that is taken back') {
      const first = await firstValueFrom(race(answer, timer(randomInt(1, 30))));
      return first === 0 ? 'taken back' : checked(first, number);
    }
    return checked(await lastValueFrom(answer), number);
  } catch (error) {
    if (!isInOrder(values)) return `wrong values ${String(values)} before an error`;
    return codeOf(error);
  }
}

function checked(answer: unknown, number: number): string {
  return answer === answerTo(number) ? 'ok' : `wrong answer ${JSON.stringify(answer)}`;
}

function isInOrder(values: unknown[]): boolean {
  return values.every((value, place) => value === place);
}

/** The code of an error of the package; `handler` for what a handler answered; `wrong` for anything else. */
function codeOf(error: unknown): string {
  if (error instanceof EventQueueError) return error.code;
  return isDeepStrictEqual(error, MEANT_ERROR)
    ? 'handler'
    : `wrong error ${inspect(error).replace(/\s+/g, ' ')}`;
}

// Redis may be away for longer than a start waits. What is sent then fails or waits, as it would later.
await client.connect().catch(() => undefined);
tellParent('ready');
await Promise.all(Array.from({ length: IN_FLIGHT }, sendAll));
await client.close();
if (!terminated.signal.aborted) tellParent('finished');
process.exit();
