import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, lastValueFrom } from 'rxjs';

/** Actions may be without number, such as one for each order. */
const REMEMBERED = 1_000;

/**
 * Event handlers whose pattern has wildcards, as RabbitMQ and MQTT know them: words are separated by dots, `*` is one
 * word, `#` is any number of them. They get what no handler has an exact pattern for.
 */
export class Wildcards {
  readonly #patterns: {
    readonly pattern: string;
    readonly words: string[];
    readonly handler: MessageHandler;
  }[] = [];
  readonly #exact: ReadonlyMap<string, MessageHandler>;
  readonly #found = new Map<string, MessageHandler | undefined>();

  constructor(handlers: ReadonlyMap<string, MessageHandler>) {
    this.#exact = handlers;
    for (const [pattern, handler] of handlers) {
      const words = pattern.split('.');
      const isWild = words.includes('*') || words.includes('#');
      if (isWild && handler.isEventHandler === true) this.#patterns.push({ pattern, words, handler });
    }
  }

  /** The patterns that match events which go to a handler of the exact pattern, and to that only. */
  missed(): { pattern: string; actions: string[] }[] {
    const events = [...this.#exact].filter(([, handler]) => handler.isEventHandler === true);
    return this.#patterns
      .map(({ pattern, words, handler }) => ({
        pattern,
        actions: events
          .filter(([action, other]) => !isAmong(handler, other) && matches(words, action.split('.')))
          .map(([action]) => action)
          .filter((action) => !this.#patterns.some((wild) => wild.pattern === action)),
      }))
      .filter(({ actions }) => actions.length > 0);
  }

  /** One handler that calls all those whose pattern matches. */
  find(action: string): MessageHandler | undefined {
    if (this.#patterns.length === 0) return undefined;
    if (this.#found.has(action)) return this.#found.get(action);
    if (this.#found.size === REMEMBERED) this.#found.clear();
    const words = action.split('.');
    const matching = this.#patterns.filter((pattern) => matches(pattern.words, words));
    const handler = together(matching.map((pattern) => pattern.handler));
    this.#found.set(action, handler);
    return handler;
  }
}

/** Whether a method that has several patterns is among the handlers of one: Nest gives all of them the same extras. */
function isAmong({ extras }: MessageHandler, first: MessageHandler): boolean {
  for (let handler: MessageHandler | undefined = first; handler; handler = nextOf(handler)) {
    if (handler.extras === extras && extras !== undefined) return true;
  }
  return false;
}

function nextOf({ next }: MessageHandler): MessageHandler | undefined {
  return next as MessageHandler | undefined;
}

/** One pass over the words, whatever the pattern: an action comes from outside. */
function matches(pattern: readonly string[], words: readonly string[]): boolean {
  let places = from(pattern, 0);
  for (const word of words) {
    const next = new Set<number>();
    for (const place of places) {
      const expected = pattern[place];
      const follows = expected === '#' ? place : place + 1;
      if (expected !== '#' && expected !== '*' && expected !== word) continue;
      for (const later of from(pattern, follows)) next.add(later);
    }
    places = [...next];
  }
  return places.includes(pattern.length);
}

/** Where in a pattern one may be at `place`: each `#` may stand for nothing. */
function from(pattern: readonly string[], place: number): number[] {
  const places = [place];
  while (pattern[place] === '#') places.push(++place);
  return places;
}

/** All of them run to their end; when one fails, the event has failed. The extras of the first one that has them count. */
function together(handlers: MessageHandler[]): MessageHandler | undefined {
  if (handlers.length < 2) return handlers[0];
  const run = async (data: unknown, context: unknown): Promise<void> => {
    const ends = await Promise.allSettled(
      handlers.map(async (handler) => {
        const result: unknown = await handler(data, context);
        if (isObservable(result)) await lastValueFrom(result, { defaultValue: undefined });
      }),
    );
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  };
  const extras = Object.assign({}, ...handlers.map(({ extras }) => extras).reverse()) as object;
  return Object.assign(run, { isEventHandler: true, extras });
}
