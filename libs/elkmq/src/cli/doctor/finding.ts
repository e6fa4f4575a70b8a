/**
 * Something that the doctor has found. An `error` breaks something now, a `warning` will; a `note` is worth
 * knowing.
 */
export interface Finding {
  readonly level: 'error' | 'warning' | 'note';
  /** The name of the check, for scripts. */
  readonly check: string;
  /** The queue; absent when it concerns Redis. */
  readonly queue?: string;
  /** The problem, and what breaks. */
  readonly problem: string;
  /** The remedy. */
  readonly advice: string;
}

/** Makes a finding of a warning, whose last sentence says what to do. */
export function findingOf(level: Finding['level'], check: string, warning: string): Finding {
  const at = warning.lastIndexOf('. ');
  return at < 0
    ? { level, check, problem: warning, advice: 'See the guide to Redis.' }
    : { level, check, problem: warning.slice(0, at), advice: warning.slice(at + 2) };
}
