/** The owner that an entry must have, so that it may be taken away. */
export interface Holder {
  /** The name in the group; empty for anyone. */
  readonly consumer: string;
  /** The time for which its lease must not have been renewed, ms. */
  readonly unrenewedFor: number;
}

export const ANYONE: Holder = { consumer: '', unrenewedFor: 0 };
