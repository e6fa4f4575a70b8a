import type { MessageState, QueueMessage } from '../../admin/queue-message.js';
import type { MessageFilter } from '../../admin/message-search.js';
import { EXIT, type ExitCode } from '../exit.js';
import { jsonOfMessage, note, print, printMessage, printMessages } from '../output.js';
import { withAdmin, type CommonOptions } from '../session.js';

export interface PeekOptions extends CommonOptions {
  readonly state: MessageState;
  readonly limit: number;
  readonly after?: string;
}

export type FindOptions = CommonOptions &
  MessageFilter & {
    readonly state?: MessageState[];
    readonly newest: number;
    readonly limit: number;
  };

/** Shows the first messages of a state. Nothing is taken. */
export async function peek(queue: string, options: PeekOptions): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const { limit, after, state } = options;
    const { messages, next } = await admin.messages(state, { limit, after });
    printList(messages, options, { next: next ?? null });
    if (next !== undefined && !options.json) note(`There are more: --after ${next}`);
    return EXIT.fine;
  });
}

/** Searches messages. */
export async function find(queue: string, options: FindOptions): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const { pattern, text, header, key, reason, since, until, state: states, newest, limit } = options;
    const all: QueueMessage[] = [];
    let progress = { searched: 0, total: 0 };
    const filter = { pattern, text, header, key, reason, since, until };
    for await (const { found, searched, total } of admin.search(filter, { states, newest })) {
      all.push(...found.slice(0, limit - all.length));
      progress = { searched, total };
      if (process.stderr.isTTY) process.stderr.write(`\rsearched ${String(searched)} of ${String(total)}`);
      if (all.length === limit) break;
    }
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    printList(all, options, progress);
    if (!options.json)
      note(`${String(all.length)} found; searched ${String(progress.searched)} of ${String(progress.total)}`);
    return EXIT.fine;
  });
}

/** Shows one message. */
export async function show(queue: string, id: string, options: CommonOptions): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const message = await admin.message(id);
    if (!message) {
      note(`there is no message ${id} in the queue`);
      return EXIT.finding;
    }
    if (options.json) print(jsonOfMessage(message));
    else printMessage(message);
    return EXIT.fine;
  });
}

/** @param about further members of the JSON */
export function printList(
  messages: readonly QueueMessage[],
  { json }: CommonOptions,
  about: Readonly<Record<string, unknown>>,
): void {
  if (!json) {
    printMessages(messages);
    return;
  }
  const rest = JSON.stringify(about).slice(1);
  print(`{"messages":[${messages.map(jsonOfMessage).join(',')}],${rest}`);
}
