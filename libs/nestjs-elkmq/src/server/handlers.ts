import type { MessageHandler } from '@nestjs/microservices';
import { InvalidOptionError, type DeliveryMode } from 'elkmq';
import { type DeclaredSchedule, messageOf } from 'elkmq/internal';
import { inspect, isDeepStrictEqual } from 'node:util';
import type { Failures } from './failures.js';
import { checkBatchSize, collectorsOf } from './batch.js';
import { scheduleOf } from './cron.js';
import { EXTRAS, holdsKey } from './handler-extras.js';
import { handlersOf } from './joint-handler.js';
import { deliveryMode } from '../parsed-options.js';
import type { RetryPolicy } from './retry-policy.js';
import { Wildcards } from './wildcards.js';

/** Finds the handlers of a server, and reads their extras. */
export class Handlers {
  readonly #exact: ReadonlyMap<string, MessageHandler>;
  readonly #wildcards: Wildcards;
  readonly #failures: Failures;
  readonly #delivery: DeliveryMode;

  /** @param delivery the mode of handlers that have none of their own */
  constructor(exact: ReadonlyMap<string, MessageHandler>, failures: Failures, delivery: DeliveryMode) {
    this.#exact = exact;
    this.#wildcards = new Wildcards(exact);
    this.#failures = failures;
    this.#delivery = delivery;
  }

  /** Returns the handler of an action. One with an exact pattern wins over one with wildcards. */
  find(action: string, isEvent = true): MessageHandler | undefined {
    return this.#exact.get(action) ?? (isEvent ? this.#wildcards.find(action) : undefined);
  }

  modeOf(action: string): DeliveryMode {
    const given: unknown = this.find(action)?.extras?.['delivery'];
    return given === undefined ? this.#delivery : deliveryMode(given);
  }

  /** Whether a dead letter of an action holds its ordering key. */
  holdsKey(action: string): boolean {
    return holdsKey(this.find(action)?.extras?.['order']);
  }

  policyOf(action: string): RetryPolicy | undefined {
    const handler = this.find(action);
    return handler && this.#failures.policyOf(handler);
  }

  /**
   * The schedules of all handlers.
   * @throws {InvalidOptionError} when two have one name
   */
  schedules(): DeclaredSchedule[] {
    const schedules = new Map<string, DeclaredSchedule>();
    for (const handler of this.#exact.values()) {
      for (const { extras } of handlersOf(handler)) {
        const schedule = scheduleOf(extras as Record<string, unknown> | undefined);
        if (!schedule) continue;
        const { name } = schedule;
        if (schedules.has(name))
          throw new InvalidOptionError(`each schedule must have a name of its own, got '${name}' twice`);
        schedules.set(name, schedule);
      }
    }
    return [...schedules.values()];
  }

  /**
   * Has no batch wait any more: its messages would be given up when the server has drained for long enough.
   * @returns a function that ends this
   */
  drainBatches(): () => void {
    const ends = [...this.#exact.values()]
      .flatMap((handler) => handlersOf(handler))
      .map(({ extras }) => collectorsOf(extras)?.drain());
    return () => {
      for (const end of ends) end?.();
    };
  }

  /**
   * Reads all extras, so that a wrong one fails now and not when the first worker dies.
   * @param concurrency of the server
   * @returns warnings about likely mistakes
   * @throws {InvalidOptionError}
   */
  check(concurrency: number): string[] {
    for (const [action, handler] of this.#exact) {
      for (const each of handlersOf(handler)) this.#checkExtras(action, each, concurrency);
      refuseDisagreement(action, handlersOf(handler));
    }
    const missed = this.#wildcards.missed().map(({ pattern, actions }) => {
      const names = actions.map((action) => `'${action}'`).join(', ');
      return `the handler of '${pattern}' does not get ${names}: an exact pattern wins. To get both, give it the list ['${pattern}', ${names}]`;
    });
    // Several handlers of one pattern miss the same.
    return [...new Set(missed)];
  }

  #checkExtras(action: string, handler: MessageHandler, concurrency: number): void {
    try {
      deliveryMode(handler.extras?.['delivery']);
      holdsKey(handler.extras?.['order']);
      this.#failures.policyOf(handler);
      checkBatchSize(handler.extras, concurrency);
    } catch (error) {
      throw new InvalidOptionError(`the handler of '${action}': ${messageOf(error)}`, { cause: error });
    }
  }
}

/**
 * Refuses handlers of one pattern that have different values of an extra. They share each message, and so its
 * attempts, its mode and its place in the order.
 * @throws {InvalidOptionError}
 */
function refuseDisagreement(action: string, handlers: readonly MessageHandler[]): void {
  for (const name of EXTRAS) {
    const given = handlers.map(({ extras }) => extras?.[name] as unknown).filter((one) => one !== undefined);
    const other = given.find((value) => !isDeepStrictEqual(value, given[0]));
    if (other === undefined) continue;
    throw new InvalidOptionError(
      `the handlers of '${action}' must have the same ${name}, or only one of them may have it, got ${inspectOption(given[0])} and ${inspectOption(other)}`,
    );
  }
}

function inspectOption(value: unknown): string {
  return inspect(value, { breakLength: Infinity });
}

/**
 * Refuses handlers that answer: nobody waits for the answer to an event of a topic.
 * @throws {InvalidOptionError}
 */
export function refuseRequestHandlers(
  handlers: ReadonlyMap<string, MessageHandler>,
  { topic, name }: { readonly topic: string; readonly name: string },
): void {
  const answering = [...handlers].filter(([, { isEventHandler }]) => isEventHandler !== true);
  if (answering.length === 0) return;
  const patterns = answering.map(([pattern]) => `'${pattern}'`).join(', ');
  throw new InvalidOptionError(
    `the subscription '${name}' of the topic '${topic}' takes only events, but these handlers are for requests: ${patterns}. Make them @EventPattern, or give this server a transportId of its own and bind only its event handlers to it`,
  );
}
