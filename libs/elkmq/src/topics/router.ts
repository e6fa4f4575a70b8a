import { isWildcard, matchesWords } from '../model/wildcards.js';

/** The number of actions whose routes are remembered. A service may use any number of them. */
const REMEMBERED_ACTIONS = 1_000;

const NO_ROUTES: readonly number[] = [];

/** Finds the subscriptions of an action. */
export class Router {
  readonly #exact = new Map<string, number[]>();
  readonly #wild: { readonly words: readonly string[]; readonly route: number }[] = [];
  readonly #known = new Map<string, readonly number[]>();

  /** @param patterns of each subscription */
  constructor(patterns: readonly (readonly string[])[]) {
    for (const [route, ofOne] of patterns.entries()) {
      for (const pattern of ofOne) this.#addPattern(pattern, route);
    }
  }

  /** The indexes of the subscriptions that get an action, in ascending order. */
  routesOf(action: string): readonly number[] {
    if (this.#wild.length === 0) return this.#exact.get(action) ?? NO_ROUTES;
    const known = this.#known.get(action);
    if (known) return known;
    if (this.#known.size === REMEMBERED_ACTIONS) this.#known.clear();
    const words = action.split('.');
    const routes = new Set(this.#exact.get(action));
    for (const { words: pattern, route } of this.#wild) {
      if (!routes.has(route) && matchesWords(pattern, words)) routes.add(route);
    }
    const sorted = [...routes].sort((one, other) => one - other);
    this.#known.set(action, sorted);
    return sorted;
  }

  #addPattern(pattern: string, route: number): void {
    const words = pattern.split('.');
    if (isWildcard(words)) this.#wild.push({ words, route });
    const routes = this.#exact.get(pattern);
    if (!routes) this.#exact.set(pattern, [route]);
    else if (!routes.includes(route)) routes.push(route);
  }
}
