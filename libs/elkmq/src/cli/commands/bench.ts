import { randomBytes } from 'node:crypto';
import { ConnectionError } from '../../model/errors.js';
import { QueueKeys } from '../../model/keys.js';
import { DEFAULTS } from '../../model/options.js';
import { ServiceEvent } from '../../model/service-event.js';
import { COMMAND_TIMEOUT_MS, Connection } from '../../redis/connection.js';
import { RedisSource, type RedisSourceInput } from '../../redis/redis-source.js';
import { send } from '../../redis/scripts.js';
import { Requester } from '../../requests/requester.js';
import { sendingOptions } from '../../requests/sending-options.js';
import { ACKNOWLEDGE } from '../../settling/outcome.js';
import { Worker } from '../../worker/worker.js';
import { EXIT, type ExitCode } from '../exit.js';
import { untilSignal } from '../interruption.js';
import { note, print, printJson } from '../output.js';
import { redisOf, type CommonOptions } from '../session.js';

export interface BenchOptions extends CommonOptions {
  /** The number of events. */
  readonly events: number;
  /** The number of requests. */
  readonly requests: number;
  /** The number of messages that are on their way at once. */
  readonly inFlight: number;
}

/** The figures of one part of the load. */
interface Figures {
  readonly count: number;
  readonly perSecond: number;
  /** The time that half of the messages took at the most, ms. */
  readonly p50: number;
  /** The time that 99 of 100 messages took at the most, ms. */
  readonly p99: number;
}

/** Requests that are sent before the measurement, so that the code is compiled. */
const WARM_UP = 500;
/** The requests that are sent one after the other. */
const ALONE = 200;
/** The number of messages that the worker handles at once, as a server does by default. */
const CONCURRENCY = 256;
const PATTERN = 'bench';
const TIMEOUT_S = 60;
const DRAIN_MS = 5_000;

/** Measures a small load on a queue of its own, which is removed afterwards, also after a signal. */
export async function bench(options: BenchOptions): Promise<ExitCode> {
  const redis = await redisOf(options);
  const queue = `elkmq-bench-${randomBytes(6).toString('hex')}`;
  const load = new BenchLoad(queue, redis, options.patience);
  return untilSignal(async (interrupted) => {
    try {
      await load.start(interrupted);
      await Promise.race([measureAll(load, options), interrupted]);
      return EXIT.fine;
    } finally {
      await load.remove();
    }
  });
}

async function measureAll(load: BenchLoad, options: BenchOptions): Promise<void> {
  const { events, requests, inFlight } = options;
  await load.measure('request', WARM_UP, inFlight);
  const figures = {
    events: await load.measure('event', events, inFlight),
    requests: await load.measure('request', requests, inFlight),
    alone: await load.measure('request', Math.min(ALONE, requests), 1),
  };
  if (options.json) printJson({ ...figures, inFlight });
  else report(figures, inFlight);
}

function report(figures: Readonly<Record<'events' | 'requests' | 'alone', Figures>>, inFlight: number): void {
  note('This process sends and handles, and the handler does nothing. Two processes would reach more.');
  const lines: [string, Figures][] = [
    [`events, ${String(inFlight)} at once`, figures.events],
    [`requests, ${String(inFlight)} at once`, figures.requests],
    ['requests, one at a time', figures.alone],
  ];
  for (const [what, { count, perSecond, p50, p99 }] of lines) {
    const times = `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`;
    print(`${what.padEnd(26)} ${String(Math.round(perSecond))} in a second, ${times}, of ${String(count)}`);
  }
  note('The time of an event is until it is handled, that of a request until its answer is here.');
}

/** A worker and a sender in this process, on a queue that nobody else uses. */
class BenchLoad {
  readonly #source: RedisSource;
  readonly #keys: QueueKeys;
  readonly #requester: Requester;
  readonly #worker: Worker;
  readonly #timeoutMs: number;
  #isStarted = false;
  /** The end of each event that was sent, by its request uuid. */
  readonly #handled = new Map<string, () => void>();

  constructor(queue: string, redis: RedisSourceInput, timeoutMs: number) {
    const source = new RedisSource(redis);
    this.#source = source;
    this.#timeoutMs = timeoutMs;
    this.#keys = new QueueKeys(queue, source.isCluster);
    const sending = sendingOptions({ enqueueTimeout: timeoutMs }, source.isCluster);
    this.#requester = new Requester(source, this.#keys, sending);
    const { lease: leaseMs, deadLetters } = DEFAULTS;
    const common = {
      concurrency: CONCURRENCY,
      leaseMs,
      maxDeliveries: 1,
      deadLetters,
      legacyConsumers: false,
    };
    this.#worker = new Worker(
      source,
      this.#keys,
      { ...common, handlers: [PATTERN] },
      {
        handle: (delivery) => {
          if (delivery.replyTo !== undefined) delivery.reply('{"response":1}');
          else this.#handled.get(delivery.queued.event.requestId)?.();
          delivery.end(ACKNOWLEDGE);
        },
        modeOf: () => 'once',
        holdsKey: () => false,
        warned: note,
        notHandled: (what, reason) => note(`${what} was not handled: ${reason}`),
        retried: () => undefined,
        lettersRemoved: () => undefined,
      },
    );
  }

  /** @param interrupted is looked at until there is something to remove */
  async start(interrupted: Promise<never>): Promise<void> {
    await Promise.race([this.#requester.connect(), interrupted]);
    this.#isStarted = true;
    await this.#worker.start(this.#timeoutMs);
  }

  /** Sends messages, a number of them at once, and waits until all are done. */
  async measure(kind: 'event' | 'request', count: number, inFlight: number): Promise<Figures> {
    const times: number[] = [];
    let left = count;
    const started = performance.now();
    const sendNext = async (): Promise<void> => {
      while (left-- > 0) {
        const sent = performance.now();
        await (kind === 'event' ? this.#event() : this.#request());
        times.push(performance.now() - sent);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, sendNext));
    const seconds = (performance.now() - started) / 1_000;
    times.sort((one, other) => one - other);
    const at = (part: number): number => times[Math.ceil(part * times.length) - 1] ?? 0;
    return { count, perSecond: count / seconds, p50: at(0.5), p99: at(0.99) };
  }

  /** Ends the load, and deletes all keys of the queue. They are told rates when both sides close. */
  async remove(): Promise<void> {
    await this.#worker.stop(DRAIN_MS);
    await this.#requester.close(new ConnectionError('the command has ended'));
    if (!this.#isStarted) return;
    const connection = new Connection(this.#source, COMMAND_TIMEOUT_MS);
    try {
      await connection.whenConnected(this.#timeoutMs);
      await send(connection.client, 'del', this.#keys.fixedKeys());
    } catch {
      note(`The queue ${this.#keys.queue} could not be removed.`);
    } finally {
      await connection.closeConnection();
    }
  }

  async #event(): Promise<void> {
    const event = new ServiceEvent(TIMEOUT_S, PATTERN);
    const handled = new Promise<void>((resolve) => this.#handled.set(event.requestId, resolve));
    await this.#requester.enqueue(event);
    await handled;
    this.#handled.delete(event.requestId);
  }

  #request(): Promise<void> {
    return new Promise((resolve, reject) => {
      const event = new ServiceEvent(TIMEOUT_S, PATTERN);
      this.#requester.request(event, TIMEOUT_S * 1_000, {
        reply: (_body, isLast) => {
          if (isLast) resolve();
        },
        failed: reject,
      });
    });
  }
}
