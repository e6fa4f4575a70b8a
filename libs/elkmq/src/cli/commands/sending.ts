import { text as readAll } from 'node:stream/consumers';
import { readPartitionNumber } from '../../admin/partition-number.js';
import { decodeEvent, valueOf } from '../../model/codec.js';
import { ConnectionError } from '../../model/errors.js';
import { QueueKeys } from '../../model/keys.js';
import { ServiceEvent } from '../../model/service-event.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../redis/connection.js';
import { RedisSource } from '../../redis/redis-source.js';
import { PartitionedRequester } from '../../requests/partitioned-requester.js';
import { Requester } from '../../requests/requester.js';
import { sendingOptions } from '../../requests/sending-options.js';
import { EXIT, UsageError, type ExitCode } from '../exit.js';
import { untilSignal } from '../interruption.js';
import { note, print, printJson } from '../output.js';
import { redisOf, withAdmin, type CommonOptions } from '../session.js';

export interface EmitOptions extends CommonOptions {
  readonly header?: Readonly<Record<string, string>>;
  readonly delay?: number;
  /** The time for which the message is worth handling, ms. */
  readonly timeout: number;
  readonly text?: boolean;
}

export type SendOptions = Omit<EmitOptions, 'delay'>;

/** The answer of a handler. It has neither member when the handler answered nothing. */
interface Answer {
  readonly value?: unknown;
  readonly error?: unknown;
}

/** Stores an event. */
export async function emit(
  queue: string,
  pattern: string,
  payload: string | undefined,
  options: EmitOptions,
): Promise<ExitCode> {
  const event = new ServiceEvent(secondsOf(options), pattern, await payloadOf(payload, options));
  return withAdmin(queue, options, async (admin) => {
    const origin = await admin.enqueue(event, { headers: options.header, delay: options.delay });
    if (options.json) printJson({ origin });
    else print(origin);
    return EXIT.fine;
  });
}

/** Sends a request, and writes each value of the answer as a line of JSON. A signal cancels the request. */
export async function send(
  queue: string,
  pattern: string,
  payload: string | undefined,
  options: SendOptions,
): Promise<ExitCode> {
  const event = new ServiceEvent(secondsOf(options), pattern, await payloadOf(payload, options));
  return untilSignal((interrupted) => sendRequest(queue, event, options, interrupted));
}

async function sendRequest(
  queue: string,
  event: ServiceEvent,
  options: SendOptions,
  interrupted: Promise<never>,
): Promise<ExitCode> {
  const source = new RedisSource(await redisOf(options));
  const requester = await requesterOf(source, queue, options.patience);
  const fields = options.header ? ['headers', JSON.stringify(options.header)] : [];
  const values: unknown[] = [];
  const errors: unknown[] = [];
  try {
    await Promise.race([requester.connect(), interrupted]);
    const answered = new Promise<void>((resolve, reject) => {
      const reply = (body: unknown, isLast: boolean): void => {
        const { value, error } = answerOf(body);
        if (value !== undefined) {
          values.push(value);
          if (!options.json) printJson(value);
        }
        if (error !== undefined) errors.push(error);
        if (isLast || error !== undefined) resolve();
      };
      requester.request(event, options.timeout, { reply, failed: reject }, { fields });
    });
    await Promise.race([answered, interrupted]);
    const [error = null] = errors;
    if (options.json) printJson({ values, error });
    else if (error !== null) note(`the handler failed: ${JSON.stringify(error)}`);
    return error === null ? EXIT.fine : EXIT.finding;
  } finally {
    await requester.close(new ConnectionError('the command has ended'));
  }
}

/** Makes the requester that the queue needs: with its partitions, if it has any. */
async function requesterOf(
  source: RedisSource,
  queue: string,
  timeoutMs: number,
): Promise<Requester | PartitionedRequester> {
  const sending = sendingOptions({ enqueueTimeout: timeoutMs }, source.isCluster);
  const connection = new Connection(source, COMMAND_TIMEOUT_MS);
  const keys = new QueueKeys(queue, source.isCluster);
  try {
    const partitions = await readPartitionNumber(connection, keys, timeoutMs);
    if (partitions !== undefined) return new PartitionedRequester(source, queue, partitions, sending);
    return new Requester(source, keys, sending);
  } finally {
    await connection.closeConnection();
  }
}

/** Reads the body of a reply. An `EventQueue` answers with the JSON of an event, whose payload is JSON or text. */
function answerOf(body: unknown): Answer {
  if (typeof body === 'string') return { value: valueOf(decodeEvent(body).payload) };
  const { response, err } = (body ?? {}) as { response?: unknown; err?: unknown };
  return { value: response, error: err };
}

/** The wire has whole seconds. */
function secondsOf({ timeout }: SendOptions): number {
  return Math.ceil(timeout / 1_000);
}

/** Reads the payload: `-` means standard input. */
async function payloadOf(given: string | undefined, { text }: SendOptions): Promise<string | null> {
  if (given === undefined) return null;
  const payload = given === '-' ? await readAll(process.stdin) : given;
  if (text) return JSON.stringify(payload);
  try {
    JSON.parse(payload);
    return payload.trim();
  } catch {
    throw new UsageError(
      'the payload is not JSON: quote it, as in \'{"id":7}\', or give --text to send it as a string',
    );
  }
}
