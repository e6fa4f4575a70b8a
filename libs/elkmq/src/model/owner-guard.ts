/** The owner that an entry must have, so that it may be taken away. */
export interface OwnerGuard {
  /** The name in the group; empty for anyone. */
  readonly consumer: string;
  /** The time for which its lease must not have been renewed, ms. */
  readonly minIdleMs: number;
}

export const ANY_OWNER: OwnerGuard = { consumer: '', minIdleMs: 0 };
