import {
  context,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
  type Attributes,
  type Context,
  type Counter,
  type Histogram,
  type Meter,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import type { QueueState } from 'elkmq';
import { describeThrown, isError, nameOf, readMember } from 'elkmq/internal';
import type { ElkMqContext } from '../server/elk-mq.context.js';
import type {
  ElkMqOutcome,
  ElkMqProcessObserver,
  ElkMqSendObserver,
  ElkMqTelemetry,
} from '../instrumentation.js';

const NAME = 'nestjs-elkmq';
const GAUGES = {
  waiting: 'Messages that no worker has taken',
  running: 'Messages that workers have taken',
  delayed: 'Messages that are due later',
  deadLetters: 'Messages that were not handled',
  workers: 'Workers that take messages',
} as const;

/**
 * Makes spans and metrics by the semantic conventions for messaging, with the OpenTelemetry SDK of the
 * application. Start the SDK first. Servers and clients have it as an option:
 * `new ElkMqServer({ queue, telemetry: new ElkMqOpenTelemetry() })`.
 *
 * A message carries its trace in its headers, as W3C Trace Context. One request is one trace with these
 * spans: `send` (until it is stored), `process` (one for each attempt), `receive` (until the last reply). The
 * second and later attempts also have a link to the span `send`.
 */
export class ElkMqOpenTelemetry implements ElkMqTelemetry {
  readonly #tracer: Tracer = trace.getTracer(NAME);
  readonly #processed: Histogram;
  readonly #operations: Histogram;
  readonly #sent: Counter;
  readonly #consumed: Counter;
  readonly #states = new Map<() => Promise<QueueState>, string>();

  /** Takes the tracer and the meter of the SDK that is running. */
  constructor() {
    const meter = metrics.getMeter(NAME);
    const seconds = { unit: 's' };
    this.#processed = meter.createHistogram('messaging.process.duration', seconds);
    this.#operations = meter.createHistogram('messaging.client.operation.duration', seconds);
    this.#sent = meter.createCounter('messaging.client.sent.messages');
    this.#consumed = meter.createCounter('messaging.client.consumed.messages');
    this.#observe(meter);
  }

  startSend(queue: string, pattern: string, isRequest: boolean): ElkMqSendObserver {
    const attributes = attributesOf(queue, pattern, 'send');
    const span = this.#tracer.startSpan(`send ${queue}`, { kind: SpanKind.PRODUCER, attributes });
    const headers: Record<string, string> = {};
    const ofSpan = trace.setSpan(context.active(), span);
    propagation.inject(ofSpan, headers);
    const start = performance.now();
    let receiving: Span | undefined;
    let isStored = false;
    let end: { readonly error: unknown } | undefined;
    let hasReported = false;
    const report = (error?: unknown): void => {
      // A request can end before the client knows that it is stored.
      if (hasReported) return;
      hasReported = true;
      finish(span, error);
      this.#operations.record(secondsSince(start), { ...attributes, ...errorType(error) });
      this.#sent.add(1, { ...attributes, ...errorType(error) });
    };
    return {
      headers,
      stored: (id) => {
        isStored = true;
        span.setAttribute('messaging.message.id', id);
        report();
        if (!isRequest) return;
        const receive = {
          kind: SpanKind.CLIENT,
          attributes: { ...attributesOf(queue, pattern, 'receive'), 'messaging.message.id': id },
        };
        receiving = this.#tracer.startSpan(`receive ${queue}`, receive, ofSpan);
        // The last reply can come before the answer of Redis to the request.
        if (end) finish(receiving, end.error);
      },
      ended: (error) => {
        if (end) return;
        end = { error };
        if (receiving) finish(receiving, error);
        else if (!isStored) report(error);
      },
    };
  }

  startProcess(message: ElkMqContext): ElkMqProcessObserver {
    const attempt = message.getAttempt();
    const attributes = attributesOf(message.getQueue(), message.getPattern(), 'process');
    const parent = propagation.extract(ROOT_CONTEXT, message.getHeaders());
    const sent = trace.getSpanContext(parent);
    const span = this.#tracer.startSpan(
      `process ${message.getQueue()}`,
      {
        kind: SpanKind.CONSUMER,
        attributes: {
          ...attributes,
          'messaging.message.id': message.getOrigin(),
          'messaging.message.body.size': Buffer.byteLength(message.getEvent().payload ?? ''),
          'messaging.elkmq.attempt': attempt,
        },
        links:
          sent && attempt > 1 ? [{ context: sent, attributes: { 'messaging.elkmq.attempt': attempt } }] : [],
      },
      parent,
    );
    const ofSpan: Context = trace.setSpan(parent, span);
    const start = performance.now();
    return {
      run: (work) => context.with(ofSpan, work),
      ended: (outcome: ElkMqOutcome, error) => {
        span.setAttribute('messaging.elkmq.outcome', outcome);
        finish(span, outcome === 'handled' ? undefined : (error ?? outcome));
        const known = { ...attributes, 'messaging.elkmq.outcome': outcome };
        this.#processed.record(secondsSince(start), known);
        this.#consumed.add(1, known);
      },
    };
  }

  observeQueue(queue: string, state: () => Promise<QueueState>): () => void {
    this.#states.set(state, queue);
    return () => this.#states.delete(state);
  }

  /** Reads the state of each queue once in each collection of metrics, for all gauges. */
  #observe(meter: Meter): void {
    const gauges = (Object.keys(GAUGES) as (keyof typeof GAUGES)[]).map((name) => ({
      name,
      gauge: meter.createObservableGauge(
        `messaging.elkmq.${name === 'deadLetters' ? 'dead_letters' : name}`,
        {
          description: GAUGES[name],
        },
      ),
    }));
    meter.addBatchObservableCallback(
      async (result) => {
        for (const [ask, queue] of this.#states) {
          // The application has other alarms for a Redis that is away.
          const state = await ask().catch(() => undefined);
          if (!state) continue;
          const of = { 'messaging.system': 'elkmq', 'messaging.destination.name': queue };
          for (const { name, gauge } of gauges) result.observe(gauge, state[name], of);
        }
      },
      gauges.map(({ gauge }) => gauge),
    );
  }
}

function attributesOf(queue: string, pattern: string, operation: 'send' | 'process' | 'receive'): Attributes {
  return {
    'messaging.system': 'elkmq',
    'messaging.destination.name': queue,
    'messaging.operation.name': operation,
    'messaging.operation.type': operation,
    'messaging.elkmq.pattern': pattern,
  };
}

function finish(span: Span, error: unknown): void {
  if (error !== undefined) {
    const described = describeThrown(error);
    if (isError(error)) span.recordException({ ...described, code: typeOf(error) });
    span.setAttributes(errorType(error));
    span.setStatus({ code: SpanStatusCode.ERROR, message: described.message });
  }
  span.end();
}

function errorType(error: unknown): Attributes {
  return error === undefined ? {} : { 'error.type': typeOf(error) };
}

function typeOf(error: unknown): string {
  if (!isError(error)) return '_OTHER';
  const code = readMember(error, 'code');
  return typeof code === 'string' ? code : nameOf(error);
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1_000;
}
