import type { MessageHandler } from '@nestjs/microservices';
import type { Delivery, Failure } from 'elkmq/internal';
import type { ElkMqContext } from './elk-mq.context.js';
import type { Handling } from './event-handling.js';
import {
  callSafely,
  describeObserverFailure,
  type ElkMqProcessObserver,
  type ElkMqTelemetry,
} from '../instrumentation.js';

/** The hooks that Nest's instrumentation sets on a server. */
export interface ProcessingHooks {
  /** Calls `run`. Returns its promise, or another one. */
  start(context: ElkMqContext, run: () => Promise<void>): unknown;
  /** Returns the hook for the end, if the instrumentation has set one. */
  end(): ((context: ElkMqContext) => void) | undefined;
}

/** Runs attempts inside their instrumentation: the hooks of Nest, and the telemetry. */
export class ProcessInstrumentation {
  readonly #telemetry: ElkMqTelemetry | undefined;
  readonly #hooks: ProcessingHooks;
  readonly #log: (message: string) => void;

  constructor(telemetry: ElkMqTelemetry | undefined, hooks: ProcessingHooks, log: (message: string) => void) {
    this.#telemetry = telemetry;
    this.#hooks = hooks;
    this.#log = log;
  }

  run(handling: Handling, delivery: Delivery, handler: MessageHandler | null, context: ElkMqContext): void {
    const processing = callSafely(() => this.#telemetry?.startProcess(context), this.#log);
    const end = this.#onceAtEnd(context, delivery, processing);
    let running: Promise<void> | undefined;
    const run = () => (running = handling.run(delivery, handler, context, end));
    const hookFailed = (error: unknown): void => {
      handling.failed(delivery, error);
      end({ error });
    };
    try {
      const processed = this.#run(processing, () => this.#hooks.start(context, run));
      // The promise of `run` never rejects, so only that of a hook needs a handler.
      if (processed instanceof Promise && processed !== running) processed.catch(hookFailed);
    } catch (error) {
      hookFailed(error);
    }
  }

  /** Calls `start` exactly once, whatever the telemetry does. */
  #run(processing: ElkMqProcessObserver | undefined, start: () => unknown): unknown {
    if (!processing) return start();
    const started = { isCalled: false, hasReturned: false, processed: undefined as unknown };
    const once = () => {
      if (started.isCalled) return started.processed;
      started.isCalled = true;
      started.processed = start();
      started.hasReturned = true;
      return started.processed;
    };
    try {
      const answer: unknown = processing.run(once);
      if (!started.isCalled) this.#log(describeObserverFailure('run() has not called its work'));
      if (answer instanceof Promise && answer !== started.processed) {
        answer.catch((error: unknown) => {
          this.#log(describeObserverFailure(error));
        });
      }
    } catch (error) {
      // The error comes from `start`, which calls the hook, and not from the telemetry.
      if (started.isCalled && !started.hasReturned) throw error;
      this.#log(describeObserverFailure(error));
    }
    return once();
  }

  #onceAtEnd(
    context: ElkMqContext,
    delivery: Delivery,
    processing: ElkMqProcessObserver | undefined,
  ): (failure?: Failure) => void {
    const hook = this.#hooks.end();
    if (!processing && !hook) return nobodyWatches;
    let ended = false;
    return (failure) => {
      if (ended) return;
      ended = true;
      const outcome = outcomeOf(delivery) ?? (failure ? 'failed' : 'handled');
      callSafely(() => processing?.ended(outcome, failure?.error), this.#log);
      callSafely(() => hook?.(context), this.#log);
    };
  }
}

/** The outcome of an attempt whose message was not handled; otherwise `undefined`. */
function outcomeOf({ outcome }: Delivery): 'retried' | 'dead-lettered' | undefined {
  if (outcome?.kind === 'retry') return 'retried';
  return outcome?.kind === 'dead-letter' ? 'dead-lettered' : undefined;
}

function nobodyWatches(): void {
  // There is no instrumentation to call.
}
