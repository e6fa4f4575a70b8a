import { GROUP, QueueKeys } from '../../../libs/elkmq/src/model/keys.js';
import * as scripts from '../../../libs/elkmq/src/redis/scripts.generated.js';
import { runScript, type ScriptCall } from '../../../libs/elkmq/src/redis/scripts.js';
import { entriesOf } from '../entries.js';
import { redis } from '../queue.js';
import type { Held, Message } from './state.js';

const CLIENT = 'model';

/** The scripts of a queue, called as workers and clients call them. */
export class LaneCalls {
  readonly keys: QueueKeys;
  #batch = 0;

  constructor(readonly queue: string) {
    this.keys = new QueueKeys(queue, false);
  }

  /** @returns the call that stores the messages; it can be made again */
  enqueue(messages: readonly Message[], delays: readonly number[]): () => Promise<string[]> {
    const records: string[] = [];
    const events = messages.map((message, index) => {
      const { number, key, isRequest, isDeduplicated, isExpired } = message;
      const fields = key === '' ? [] : ['ordering_key', key];
      if (isExpired) fields.push('due', '1');
      const deduplication = `d${String(number)}`;
      if (isDeduplicated) fields.push('deduplication', deduplication);
      const record = isDeduplicated ? records.push(this.keys.deduplication('request', deduplication)) : 0;
      const json = `{"request_uuid":${String(number)},"timeout":600,"action":"a","payload":null}`;
      const delay = delays[index] ?? 0;
      const replyTo = isRequest ? CLIENT : '';
      if (delay === 0 && record === 0) return { json, replyTo, options: '', fields };
      const request = isRequest ? String(number) : '';
      const wait = isRequest ? 600_000 : 0;
      const options = JSON.stringify({ delay, record, window: 60_000, wait, request });
      return { json, replyTo, options, fields };
    });
    const number = ++this.#batch;
    const { eventStream, delayed, delayedBodies, messageQueue, leftovers, responseStream } = this.keys;
    const { lanes, laneBodies, laneIds } = this.keys;
    const keys = {
      ...{ eventStream, delayed, delayedBodies, messageQueue, leftovers, responseStream },
      ...{ lanes, laneBodies, laneIds, records },
      producer: this.keys.producer(CLIENT),
      inbox: this.keys.inbox('nobody') ?? '',
    };
    const call = scripts.enqueueWithOptions(keys, {
      batch: String(number),
      answerField: String(number % 8),
      answerTtlMs: '600000',
      inboxNeeded: 0,
      group: GROUP,
      client: CLIENT,
      maxLength: 0,
      legacyConsumers: false,
      keptLonger: 1_000,
      after: number - 1,
      pushes: '',
      events,
    });
    return async () => String(await this.run(call)).split(',');
  }

  /** @returns the ids that were not the worker's any more */
  async settle(held: readonly Held[], isRange: boolean): Promise<string[]> {
    const [first, last] = [held[0]?.id ?? '', held.at(-1)?.id ?? ''];
    const stop = last.replace(/\d+$/, (number) => String(Number(number) + 1));
    const keyed = held.filter(({ message }) => message.key !== '');
    const args = {
      group: GROUP,
      first: isRange ? first : '',
      stop: isRange ? stop : '',
      inboxSettlements: [{ inbox: 0, replies: '', ids: held.map(({ id }) => id) }],
      pushes: '',
    };
    const keys = Object.assign({ inboxes: [] }, this.keys);
    if (keyed.length === 0) return (await this.run(scripts.settle(keys, args))) as string[];
    const triples = keyed.flatMap(({ id, message }) => [id, message.key, message.origin]);
    const call = scripts.settleKeyed(keys, { ...args, keyed: JSON.stringify(triples) });
    return (await this.run(call)) as string[];
  }

  /** @returns whether the attempt was the worker's */
  async settleDeduplicated({ id, message }: Held): Promise<boolean> {
    const { number, origin, key, isCancelled } = message;
    const requester = `${CLIENT} ${String(number)}`;
    const call = scripts.settleDeduplicated(
      Object.assign({ record: this.#record(message), inboxes: [] }, this.keys),
      {
        group: GROUP,
        id,
        origin,
        orderingKey: key,
        consumer: '',
        minIdle: 0,
        how: 'end',
        waiters: isCancelled ? '' : requester,
        requester,
        inboxNumbers: isCancelled ? '' : '0',
        pushes: '',
        replies: ['1,0,1,null]'],
      },
    );
    const answer = await this.run(call);
    // Nobody waits any more: the record has gone, or has no waiters.
    return typeof answer === 'string' ? this.#settleLeft(call, answer) : answer !== 0;
  }

  async delay({ id, message: { origin, key }, fields, attempt }: Held, delay: number): Promise<boolean> {
    const next = JSON.stringify(fieldsOfNext(fields, origin, attempt + 1));
    const attempts = [{ id, origin, orderingKey: key, delay, fields: next }];
    const lost = (await this.run(scripts.delay(this.keys, { group: GROUP, attempts }))) as string[];
    return lost.length === 0;
  }

  async promote(): Promise<void> {
    await this.run(scripts.promote(this.keys, { group: GROUP, limit: 20, maxBytes: 100_000 }));
  }

  async requeue(id: string, attempts: number, consumer: string): Promise<void> {
    const args = { group: GROUP, attempts, consumer, minIdle: 0, legacyLimit: '', keptLonger: 1_000 };
    const error = { errorName: 'Error', errorMessage: 'its worker went away' };
    await this.run(scripts.requeue(this.keys, { ...args, ...error, ids: [id] }));
  }

  /** @returns whether the message is a dead letter now */
  async bury(
    { id, message: { origin, key }, fields }: Held,
    consumer: string,
    holdsKey = false,
  ): Promise<boolean> {
    const call = scripts.deadLetter(this.#letterKeys(), {
      group: GROUP,
      id,
      origin,
      orderingKey: key,
      holdsKey,
      diedAt: Date.now(),
      letter: JSON.stringify({ reason: 'failed', fields }),
      withFields: false,
      max: 10_000,
      maxAge: 1e9,
      consumer,
      minIdle: 0,
      isListed: false,
      replies: '',
      pushes: '',
    });
    return ((await this.run(call)) as number[]).length > 0;
  }

  /** @returns whether the message is not there any more */
  async cancel(message: Message): Promise<boolean> {
    const { origin, key, number, isDeduplicated } = message;
    const common = { group: GROUP, orderingKey: key };
    const deadline = Date.now() + 600_000;
    if (isDeduplicated) {
      const keys = Object.assign({ record: this.#record(message) }, this.keys);
      const args = { ...common, origin, deadline, waiter: `${CLIENT} ${String(number)}` };
      return (await this.run(scripts.leaveRequest(keys, args))) === 1;
    }
    const requests = [{ id: origin, orderingKey: key, deadline }];
    const args = { group: GROUP, legacyConsumers: false, requests };
    return (await this.run(scripts.cancel(this.keys, args))) === 1;
  }

  /** @returns the number of letters that were deleted, and of those that were looked at */
  async removeLetters(origins: readonly string[]): Promise<number[]> {
    return (await this.run(scripts.removeDeadLetters(this.keys, { origins }))) as number[];
  }

  async revive(origin: string): Promise<boolean> {
    const answer = await this.run(scripts.revive(this.keys, { budget: 1e6, origins: [origin] }));
    return (answer as number[])[0] === 1;
  }

  async remove(id: string): Promise<boolean> {
    const answer = await this.run(
      scripts.removeMessages(this.keys, { group: GROUP, budget: 1e6, ids: [id] }),
    );
    return (answer as number[])[0] === 1;
  }

  async cleanHistory(): Promise<void> {
    while (
      (await this.run(scripts.cleanHistory(this.keys, { group: GROUP, keptLonger: 1_000, limit: 5 }))) === 1
    );
  }

  /** Heals all lanes whose head is gone, at once. */
  async heal(): Promise<void> {
    const lanes = Object.entries(await redis.hgetall(this.keys.lanes));
    const suspects = lanes.map(([key, text]) => ({ key, text }));
    await this.run(scripts.healLanes(this.keys, { group: GROUP, suspects }));
  }

  entries() {
    return entriesOf(this.keys.eventStream);
  }

  run(call: ScriptCall): Promise<unknown> {
    return runScript(redis, call);
  }

  #letterKeys() {
    const { eventStream, deadLetters, deadLetterBodies, messageQueue } = this.keys;
    const { lanes, laneBodies, cancelled, held } = this.keys;
    const letters = { eventStream, deadLetters, deadLetterBodies, messageQueue };
    return { ...letters, lanes, laneBodies, cancelled, held };
  }

  #record({ number }: Message): string {
    return this.keys.deduplication('request', `d${String(number)}`);
  }

  /** Calls again with the waiters that the record has, as a worker does. */
  async #settleLeft(call: ScriptCall, waiters: string): Promise<boolean> {
    const args = [...call.args];
    const at = args.indexOf('end') + 1;
    args[at] = waiters;
    args[at + 2] = waiters === '' ? '' : '0';
    return (await this.run({ ...call, args })) !== 0;
  }
}

function fieldsOfNext(fields: readonly string[], origin: string, attempt: number): string[] {
  const next = new Map<string, string>();
  for (let i = 0; i < fields.length; i += 2) next.set(fields[i] as string, fields[i + 1] as string);
  next.set('origin', origin).set('attempt', String(attempt));
  return [...next].flat();
}
