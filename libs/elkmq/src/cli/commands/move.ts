import { reasonToStay, type MoveResult, type StayReason } from '../../admin/move-result.js';
import type { MessageFilter } from '../../admin/message-search.js';
import type { QueueAdmin } from '../../admin/queue-admin.js';
import type { MessageState, QueueMessage } from '../../admin/queue-message.js';
import { findingUnless, UsageError, type ExitCode } from '../exit.js';
import { confirmed, withAdmin, type ChangeOptions, type ChangeReport } from '../session.js';

export type MoveOptions = ChangeOptions &
  MessageFilter & {
    readonly to: string;
    readonly all?: boolean;
    readonly rest?: boolean;
    readonly state: MessageState[];
  };

/** The ids of messages that can go, and the number of those that stay. */
interface Chosen {
  readonly ids: readonly string[];
  readonly stays: MoveResult['stayed'];
}

const FILTERS = ['pattern', 'text', 'header', 'key', 'reason', 'since', 'until'] as const;
/** All messages are searched. */
const ALL = 2 ** 31 - 1;

const REASONS: Readonly<Record<StayReason, string>> = {
  gone: 'not there any more',
  legacy: 'a legacy client has a part in it',
  ordered: 'an earlier message of its ordering key stays',
  request: 'a request: its caller waits for a reply from this queue',
  running: 'running',
  unreadable: 'no event',
};

/** Moves messages to another queue. */
export async function move(queue: string, ids: readonly string[], options: MoveOptions): Promise<ExitCode> {
  const isFiltered = FILTERS.some((name) => options[name] !== undefined);
  if ([ids.length > 0, options.all === true, options.rest === true, isFiltered].filter(Boolean).length !== 1)
    throw new UsageError(
      'choose messages in one way: by their ids, with --pattern, --text, --header, --key, --reason, --since or --until, with --all, or with --rest',
    );
  return withAdmin(queue, options, async (admin) => {
    if (options.rest) return confirmMove(admin, { ids: [], stays: {} }, 'messages', options);
    const messages = ids.length > 0 ? readMessages(admin, ids) : searchMessages(admin, options);
    const chosen: string[] = [];
    const stays: Partial<Record<StayReason, number>> = {};
    for await (const message of messages) {
      const reason = message ? reasonToStay(message) : 'gone';
      if (message && !reason) chosen.push(message.id);
      else if (reason) stays[reason] = (stays[reason] ?? 0) + 1;
    }
    const code = await confirmMove(admin, { ids: chosen, stays }, 'messages', options);
    return findingUnless(stays.gone === undefined, code);
  });
}

/**
 * Moves messages if the user has confirmed it.
 * @param what such as `dead letters`
 */
export async function confirmMove(
  admin: QueueAdmin,
  { ids, stays }: Chosen,
  what: string,
  options: ChangeOptions & { readonly to: string },
): Promise<ExitCode> {
  const texts = [
    `${what} would go to the queue ${options.to}.`,
    `${what} went to the queue ${options.to}.`,
  ] as const;
  // Messages that an earlier move has left on their way go first.
  const { moving = 0 } = await admin.state();
  const would = reportOf({ count: ids.length + moving, stayed: stays });
  return confirmed(options, would, texts, async () => {
    const { count, stayed } = await admin.move(ids, options.to);
    const all = { ...stays };
    for (const [reason, more] of Object.entries(stayed) as [StayReason, number][])
      all[reason] = (all[reason] ?? 0) + more;
    return reportOf({ count, stayed: all });
  });
}

function reportOf({ count, stayed }: MoveResult): ChangeReport {
  const reasons = Object.entries(stayed) as [StayReason, number][];
  const lines = reasons.map(([reason, number]) => `${String(number)} stay: ${REASONS[reason]}.`);
  return { count, members: { stayed }, lines };
}

async function* searchMessages(
  admin: QueueAdmin,
  { state: states, ...options }: MoveOptions,
): AsyncGenerator<QueueMessage, void, undefined> {
  const filter = Object.fromEntries(FILTERS.map((name) => [name, options[name]]));
  for await (const { found } of admin.search(filter, { states, newest: ALL })) yield* found;
}

async function* readMessages(
  admin: QueueAdmin,
  ids: readonly string[],
): AsyncGenerator<QueueMessage | undefined, void, undefined> {
  for (const id of new Set(ids)) yield await admin.message(id);
}
