import type { QueueContext } from '../context/queue-context.js';
import { GROUP } from '../model/keys.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably } from '../redis/reliable-call.js';
import * as scripts from '../redis/scripts.generated.js';
import { batchesOf } from './batches.js';

/** An attempt after which its message is tried again, as `delay.lua` takes it. */
export type RetriedAttempt = Parameters<typeof scripts.delay>[1]['attempts'][number];

interface Waiting {
  readonly attempt: RetriedAttempt;
  readonly resolve: (isDone: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Delays the messages of attempts that have failed. Those that fail in one tick go out together. */
export class RetryQueue {
  readonly #context: QueueContext;
  readonly #timeoutMs: number;
  #waiting: Waiting[] = [];

  /** @param timeoutMs the time for which each call is tried while Redis is away, ms */
  constructor(context: QueueContext, timeoutMs: number) {
    this.#context = context;
    this.#timeoutMs = timeoutMs;
  }

  /** @returns false when the attempt had been ended before, by others */
  delayMessage(attempt: RetriedAttempt): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ attempt, resolve, reject }) === 1) setImmediate(this.#flush);
    });
  }

  readonly #flush = (): void => {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const batch of batchesOf(waiting, ({ attempt }) => attempt.fields.length)) void this.#send(batch);
  };

  /**
   * Sends one call. When Redis refuses it, its attempts go one by one, because one of them may be to blame.
   * The refused call may have ended some of them: it can have failed in its middle.
   */
  async #send(batch: readonly Waiting[], doubt = { isInDoubt: false }): Promise<void> {
    const attempts = batch.map(({ attempt }) => attempt);
    const call = scripts.delay(this.#context.keys, { group: GROUP, attempts });
    try {
      const lost = (await callReliably(this.#context.connection, call, this.#timeoutMs, doubt)) as string[];
      // An attempt that is gone after a call in doubt was ended by that call, whose answer was lost.
      for (const { attempt, resolve } of batch) resolve(doubt.isInDoubt || !lost.includes(attempt.id));
    } catch (error) {
      if (batch.length > 1 && isReplyError(error))
        for (const each of batch) void this.#send([each], { isInDoubt: true });
      else for (const { reject } of batch) reject(error);
    }
  }
}
