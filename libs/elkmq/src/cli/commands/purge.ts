import type { MessageState } from '../../admin/queue-message.js';
import type { ExitCode } from '../exit.js';
import { confirmed, withAdmin, type ChangeOptions } from '../session.js';

export interface PurgeOptions extends ChangeOptions {
  readonly state: Exclude<MessageState, 'ordered' | 'running'>;
}

/** Deletes all messages of one state. */
export async function purge(queue: string, options: PurgeOptions): Promise<ExitCode> {
  const { state } = options;
  return withAdmin(queue, options, async (admin) => {
    const { waiting, behindKeys, delayed, deadLetters } = await admin.state();
    // A purge leaves the messages that wait behind another one of their ordering key.
    const count = { waiting: waiting - behindKeys, delayed, dead: deadLetters }[state];
    const what = [`${state} messages would be deleted.`, `${state} messages were deleted.`] as const;
    return confirmed(options, count, what, () => admin.purge(state));
  });
}
