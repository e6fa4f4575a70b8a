import type { Redis } from 'ioredis';
import { isForbidden } from './redis-errors.js';

type Answered = (error: Error | null, text?: string) => void;

/**
 * Lets a client of ioredis connect without the right to run INFO. ioredis sends INFO when it connects, to
 * wait while Redis loads. When the user may not run it, ioredis prints a line for each connection. When the
 * command has another name, ioredis never connects. This client goes on without the answer.
 */
export function connectWithoutInfo(client: Redis): void {
  const info = client.info.bind(client) as (...args: unknown[]) => Promise<string>;
  const withoutInfo = async (answered: Answered): Promise<void> => {
    let text = '';
    try {
      text = await info();
    } catch (error) {
      if (!isForbidden(error, 'info')) {
        answered(error as Error);
        return;
      }
    }
    answered(null, text);
  };
  // Only the ready check passes nothing but a callback.
  const ask = (...args: unknown[]): Promise<unknown> =>
    args.length === 1 && typeof args[0] === 'function' ? withoutInfo(args[0] as Answered) : info(...args);
  client.info = ask as typeof client.info;
}
