import type { MessageHandler } from '@nestjs/microservices';
import { isWildcard, matchesWords } from 'elkmq/internal';
import { handlersOf, combineHandlers } from './joint-handler.js';

/**
 * The number of actions that are remembered. A service may use any number of them, such as one for each
 * order.
 */
const REMEMBERED = 1_000;

interface Wildcard {
  readonly pattern: string;
  readonly words: string[];
  readonly handler: MessageHandler;
}

/**
 * The event handlers whose pattern has wildcards, like those of RabbitMQ and MQTT. Dots separate the words,
 * `*` is one word, `#` is any number of words. These handlers get the events for which no handler has an
 * exact pattern.
 */
export class Wildcards {
  readonly #patterns: Wildcard[] = [];
  readonly #exact: ReadonlyMap<string, MessageHandler>;
  readonly #found = new Map<string, MessageHandler | undefined>();

  constructor(handlers: ReadonlyMap<string, MessageHandler>) {
    this.#exact = handlers;
    for (const [pattern, handler] of handlers) {
      const words = pattern.split('.');
      if (!isWildcard(words) || handler.isEventHandler !== true) continue;
      for (const each of handlersOf(handler)) this.#patterns.push({ pattern, words, handler: each });
    }
  }

  /** Returns the patterns that match an event and do not get it, because an exact pattern has a handler. */
  missed(): { pattern: string; actions: string[] }[] {
    const events = [...this.#exact].filter(([, handler]) => handler.isEventHandler === true);
    return this.#patterns
      .map(({ pattern, words, handler }) => ({
        pattern,
        actions: events
          .filter(([action, other]) => !isAmong(handler, other) && matchesWords(words, action.split('.')))
          .map(([action]) => action)
          .filter((action) => !this.#patterns.some((wild) => wild.pattern === action)),
      }))
      .filter(({ actions }) => actions.length > 0);
  }

  /** Returns one handler, which calls all handlers whose pattern matches. */
  find(action: string): MessageHandler | undefined {
    if (this.#patterns.length === 0) return undefined;
    if (this.#found.has(action)) return this.#found.get(action);
    if (this.#found.size === REMEMBERED) this.#found.clear();
    const words = action.split('.');
    const matching = this.#patterns.filter((pattern) => matchesWords(pattern.words, words));
    const handler = combineHandlers(oncePerMethod(matching).map((match) => match.handler));
    this.#found.set(action, handler);
    return handler;
  }
}

/**
 * Leaves out the further patterns of a method that one of its patterns matches already. Handlers of one
 * pattern stay: a class has one in each module that has the class among its controllers.
 */
function oncePerMethod(matching: readonly Wildcard[]): readonly Wildcard[] {
  const first = new Map<object, string>();
  return matching.filter(({ pattern, handler: { extras } }) => {
    if (extras === undefined) return true;
    if (!first.has(extras)) first.set(extras, pattern);
    return first.get(extras) === pattern;
  });
}

/**
 * Whether two patterns belong to one method: then `handler` is among the handlers of the exact pattern. Nest
 * gives the handlers of one method the same extras.
 */
function isAmong({ extras }: MessageHandler, exact: MessageHandler): boolean {
  return extras !== undefined && handlersOf(exact).some((handler) => handler.extras === extras);
}
