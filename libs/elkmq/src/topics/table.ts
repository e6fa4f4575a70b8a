import { pairsOf } from '../model/fields.js';
import { DEFAULT_RETENTION, type Retention, type Subscription } from './subscription.js';

/** The table of a topic at one moment. */
export interface SubscriptionTable {
  /** A random word that changes with the table; `''` when there is no table. */
  readonly version: string;
  readonly subscriptions: readonly Subscription[];
  /** Subscription → its description as it is in Redis. */
  readonly texts: ReadonlyMap<string, string>;
  /** Subscription that was removed → the time of that, ms since 1970. */
  readonly removed: ReadonlyMap<string, number>;
}

export const NO_TABLE: SubscriptionTable = tableOf([]);

/** Reads the table. @param fields names and values in turn, as Redis answers them */
export function tableOf(fields: readonly string[]): SubscriptionTable {
  let version = '';
  const subscriptions: Subscription[] = [];
  const texts = new Map<string, string>();
  const removed = new Map<string, number>();
  for (const [name, text] of pairsOf(fields)) {
    if (name === '') version = text;
    else if (name.startsWith('-')) removed.set(name.slice(1), Number(text));
    else {
      texts.set(name, text);
      const subscription = readDescription(name, text);
      if (subscription) subscriptions.push(subscription);
    }
  }
  subscriptions.sort((one, other) => (one.name < other.name ? -1 : 1));
  return { version, subscriptions, texts, removed };
}

/** The description of a subscription as it is in Redis. */
export function describe({ patterns, retention, since }: Omit<Subscription, 'name'>): string {
  return JSON.stringify({ patterns: [...patterns].sort(), retention, since });
}

/** Returns nothing for a description that cannot be read. Others can write to the table. */
function readDescription(name: string, text: string): Subscription | undefined {
  try {
    const { patterns, retention, since } = JSON.parse(text) as {
      patterns: unknown;
      retention?: Partial<Retention>;
      since?: unknown;
    };
    if (!Array.isArray(patterns) || !patterns.every((pattern) => typeof pattern === 'string')) {
      return undefined;
    }
    const { max, maxAge } = { ...DEFAULT_RETENTION, ...retention };
    if (!(max > 0) || !(maxAge > 0)) return undefined;
    return { name, patterns, retention: { max, maxAge }, since: Number(since) };
  } catch {
    return undefined;
  }
}
