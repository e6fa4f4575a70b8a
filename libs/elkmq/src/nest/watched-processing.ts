import type { MessageHandler } from '@nestjs/microservices';
import type { Delivery } from '../core/handling/delivery.js';
import type { ElkMqContext } from './elk-mq.context.js';
import type { Handling } from './handling.js';
import { guarded, watcherFailed, type ElkMqProcessing, type ElkMqTelemetry } from './telemetry.js';

/** The hooks that Nest's instrumentation sets on a server. */
export interface ProcessingHooks {
  /** Calls `run`. Answers its promise, or one of its own. */
  start(context: ElkMqContext, run: () => Promise<void>): unknown;
  /** Without instrumentation there is none. */
  end(): ((context: ElkMqContext) => void) | undefined;
}

/** Has attempts handled inside what watches them: the hooks of Nest, and the telemetry. */
export class WatchedProcessing {
  readonly #telemetry: ElkMqTelemetry | undefined;
  readonly #hooks: ProcessingHooks;
  readonly #log: (message: string) => void;

  constructor(telemetry: ElkMqTelemetry | undefined, hooks: ProcessingHooks, log: (message: string) => void) {
    this.#telemetry = telemetry;
    this.#hooks = hooks;
    this.#log = log;
  }

  run(handling: Handling, delivery: Delivery, handler: MessageHandler | null, context: ElkMqContext): void {
    const processing = guarded(() => this.#telemetry?.processing(context), this.#log);
    const end = this.#onceAtEnd(context, delivery, processing);
    let running: Promise<void> | undefined;
    const run = () => (running = handling.run(delivery, handler, context, end));
    const hookFailed = (error: unknown): void => {
      handling.failed(delivery, error);
      end(error);
    };
    try {
      const processed = this.#run(processing, () => this.#hooks.start(context, run));
      // `run` itself does not fail.
      if (processed instanceof Promise && processed !== running) processed.catch(hookFailed);
    } catch (error) {
      hookFailed(error);
    }
  }

  /** Calls `start`, whatever the telemetry does. */
  #run(processing: ElkMqProcessing | undefined, start: () => unknown): unknown {
    if (!processing) return start();
    const started = { isCalled: false, hasReturned: false, processed: undefined as unknown };
    const once = () => {
      started.isCalled = true;
      started.processed = start();
      started.hasReturned = true;
      return started.processed;
    };
    try {
      return processing.run(once);
    } catch (error) {
      // A hook's own failure.
      if (started.isCalled && !started.hasReturned) throw error;
      this.#log(watcherFailed(error));
      return started.isCalled ? started.processed : start();
    }
  }

  #onceAtEnd(
    context: ElkMqContext,
    delivery: Delivery,
    processing: ElkMqProcessing | undefined,
  ): (error?: unknown) => void {
    const hook = this.#hooks.end();
    if (!processing && !hook) return nobodyWatches;
    let ended = false;
    return (error) => {
      if (ended) return;
      ended = true;
      guarded(() => {
        processing?.ended(delivery.ending ?? (error === undefined ? 'handled' : 'failed'), error);
        hook?.(context);
      }, this.#log);
    };
  }
}

function nobodyWatches(): void {
  // Nothing to tell.
}
