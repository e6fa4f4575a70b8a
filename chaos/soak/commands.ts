/** What the processes of the soak are asked, and what they answer. */

export type Command =
  | { readonly do: 'sample' }
  /** As fast as it can, for so long. */
  | { readonly do: 'measure'; readonly ms: number }
  /** So many requests and as many events each second, until `stop`. */
  | { readonly do: 'pace'; readonly perSecond: number }
  | { readonly do: 'stop' };

export interface Answer {
  /** Of `sample`: what is in use after garbage was collected. */
  readonly heapBytes: number;
  readonly requests: number;
  readonly answered: number;
  /** Those that a pace asked for, and that were left out because too many were under way. */
  readonly skipped: number;
  readonly problems: readonly string[];
}

export const QUEUE = 'soak';
/** Short, so that the messages of a killed worker are with another one soon, ms. */
export const LEASE = 2_000;
