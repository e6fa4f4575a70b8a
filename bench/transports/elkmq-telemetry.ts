import { metrics } from '@opentelemetry/api';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { ElkMqClient, ElkMqServer } from 'nestjs-elkmq';
import { ElkMqOpenTelemetry } from 'nestjs-elkmq/opentelemetry';
import type { BenchTransport } from './bench-transport.js';
import { elkmq } from './elkmq.js';
import { startNestWorker } from './nest.js';

const queue = 'bench';

/** Takes what is exported and forgets it: the price of a collector is not a part of the figures. */
class ForgettingExporter {
  export(_exported: unknown, done: (result: { code: number }) => void): void {
    done({ code: 0 });
  }

  forceFlush(): Promise<void> {
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

/** The SDK with its defaults, which follows each message, exports in batches, and drops what is too much for a batch. */
function startTelemetry(): ElkMqOpenTelemetry {
  const exporter = new ForgettingExporter();
  metrics.setGlobalMeterProvider(
    new MeterProvider({ readers: [new PeriodicExportingMetricReader({ exporter })] }),
  );
  new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] }).register();
  return new ElkMqOpenTelemetry();
}

export const telemetry: BenchTransport = {
  ...elkmq,
  title: 'ElkMQ, telemetry',
  startWorker: (url, handled) =>
    startNestWorker({ strategy: new ElkMqServer({ queue, url, telemetry: startTelemetry() }) }, handled),
  client: (url) => new ElkMqClient({ queue, url, telemetry: startTelemetry() }),
};
