/** Whose an entry must be for it to be taken away. */
export interface Holder {
  /** Name in the group; empty for anyone. */
  readonly consumer: string;
  /** How long its lease must not have been renewed, ms. */
  readonly unrenewedFor: number;
}

export const ANYONE: Holder = { consumer: '', unrenewedFor: 0 };
