import { formatValue } from '../model/options.js';
import type { WorkerInfo } from '../admin/worker-info.js';

/** The number of patterns that one warning names. */
const NAMED = 10;

/**
 * Warns of workers of the same queue that have other handlers than this one: each message goes to any of
 * them.
 * @param own name of this worker, which is among `workers`
 */
export function warningsOfDifferentHandlers(own: string, workers: readonly WorkerInfo[]): string[] {
  const mine = workers.find(({ name }) => name === own)?.handlers;
  if (!mine) return [];
  // One warning covers all instances of another service.
  const others = new Map<string, WorkerInfo[]>();
  for (const worker of workers) {
    const onlyThere = only('it has', worker.handlers, mine);
    const onlyHere = only('this worker has', mine, worker.handlers);
    const difference = [...onlyThere, ...onlyHere].join('; ');
    if (difference !== '') others.set(difference, [...(others.get(difference) ?? []), worker]);
  }
  return [...others].map(([difference, [first, ...more]]) => {
    const where = `${String(first?.host)}, pid ${String(first?.pid)}`;
    const also = more.length === 0 ? '' : ` (and ${String(more.length)} more like it)`;
    return `the worker on ${where}${also} has other handlers: ${difference}. A message goes to any worker of its queue: give each service a queue of its own`;
  });
}

function only(who: string, these: readonly string[], those: readonly string[]): string[] {
  const known = new Set(those);
  const patterns = these.filter((pattern) => !known.has(pattern));
  if (patterns.length === 0) return [];
  const more = patterns.length > NAMED ? ` and ${String(patterns.length - NAMED)} more` : '';
  return [`only ${who} ${patterns.slice(0, NAMED).map(formatValue).join(', ')}${more}`];
}
