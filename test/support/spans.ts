import { appendFileSync } from 'node:fs';
import { metrics } from '@opentelemetry/api';
import { MeterProvider, type MetricReader } from '@opentelemetry/sdk-metrics';
import { NodeTracerProvider, SimpleSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-node';

/** The parts of a span that tests look at. */
export interface ExportedSpan {
  readonly name: string;
  readonly process: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string | undefined;
  /** Microseconds. */
  readonly start: number;
  readonly end: number;
  readonly kind: number;
  readonly status: number;
  readonly attributes: Record<string, unknown>;
  /** Span ids. */
  readonly links: string[];
}

/** The SDK, set up as an application does it; every span that ends goes to `save`. */
export function startTelemetry(save: (span: ExportedSpan) => void, readers: MetricReader[] = []): void {
  const exporter = {
    export: (spans: ReadableSpan[], done: (result: { code: number }) => void) => {
      for (const span of spans) save(exported(span));
      done({ code: 0 });
    },
    shutdown: () => Promise.resolve(),
  };
  new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
  if (readers.length > 0) metrics.setGlobalMeterProvider(new MeterProvider({ readers }));
}

/** Each span is a line of JSON at the end of a file, which several processes may write. */
export function exportTo(file: string): (span: ExportedSpan) => void {
  return (span) => {
    appendFileSync(file, `${JSON.stringify(span)}\n`);
  };
}

function exported(span: ReadableSpan): ExportedSpan {
  const { traceId, spanId } = span.spanContext();
  const microseconds = ([seconds, nanoseconds]: [number, number]) => seconds * 1e6 + nanoseconds / 1e3;
  return {
    ...{ name: span.name, process: process.pid, traceId, spanId, parent: span.parentSpanContext?.spanId },
    ...{ start: microseconds(span.startTime), end: microseconds(span.endTime), kind: span.kind },
    ...{ status: span.status.code, attributes: span.attributes },
    links: span.links.map(({ context }) => context.spanId),
  };
}
