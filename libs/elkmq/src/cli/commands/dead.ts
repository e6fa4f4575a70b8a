import type { QueueAdmin } from '../../admin/queue-admin.js';
import type { DeadLetterReason } from '../../dead-letters/dead-letter.js';
import { EXIT, findingUnless, UsageError, type ExitCode } from '../exit.js';
import { note, print, jsonOfMessage, printMessage } from '../output.js';
import { confirmed, withAdmin, type ChangeOptions, type CommonOptions } from '../session.js';
import { printList } from './messages.js';
import { confirmMove } from './move.js';

interface Selection {
  readonly pattern?: string;
  readonly reason?: DeadLetterReason;
}

export type DeadListOptions = CommonOptions & Selection & { readonly limit: number };

export type DeadChangeOptions = ChangeOptions & Selection & { readonly all?: boolean };

export type DeadMoveOptions = DeadChangeOptions & { readonly to: string };

/** All letters are searched. A worker keeps 10,000 of them by default. */
const ALL_LETTERS = 2 ** 31 - 1;

/** Lists dead letters. */
export async function list(queue: string, options: DeadListOptions): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const { deadLetters } = await admin.state();
    const { pattern, reason, limit } = options;
    const letters = [];
    for await (const { found } of admin.search(
      { pattern, reason },
      { states: ['dead'], newest: ALL_LETTERS },
    )) {
      letters.push(...found.slice(0, limit - letters.length));
      if (letters.length === limit) break;
    }
    printList(letters, options, { total: deadLetters });
    if (!options.json) note(`${String(letters.length)} shown of ${String(deadLetters)} dead letters`);
    return EXIT.fine;
  });
}

/** Shows one dead letter. */
export async function show(queue: string, origin: string, options: CommonOptions): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const message = await admin.message(origin);
    if (message?.state !== 'dead') {
      note(`there is no dead letter ${origin} in the queue`);
      return EXIT.finding;
    }
    if (options.json) print(jsonOfMessage(message));
    else printMessage(message);
    return EXIT.fine;
  });
}

/** Puts dead letters back into the queue. */
export async function retry(
  queue: string,
  origins: readonly string[],
  options: DeadChangeOptions,
): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const { chosen, areAllThere } = await selected(admin, origins, options);
    const what = [
      'dead letters would go back to the queue.',
      'dead letters went back to the queue.',
    ] as const;
    return findingUnless(
      areAllThere,
      await confirmed(options, chosen.length, what, () => admin.retry(chosen)),
    );
  });
}

/** Moves dead letters to another queue. */
export async function move(
  queue: string,
  origins: readonly string[],
  options: DeadMoveOptions,
): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const { chosen, areAllThere } = await selected(admin, origins, options);
    const code = await confirmMove(admin, { ids: chosen, stays: {} }, 'dead letters', options);
    return findingUnless(areAllThere, code);
  });
}

/** Deletes dead letters. */
export async function remove(
  queue: string,
  origins: readonly string[],
  options: DeadChangeOptions,
): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const { chosen, areAllThere } = await selected(admin, origins, options);
    const what = ['dead letters would be deleted.', 'dead letters were deleted.'] as const;
    return findingUnless(
      areAllThere,
      await confirmed(options, chosen.length, what, () => admin.remove(chosen)),
    );
  });
}

/** The letters that a command changes. */
interface Selected {
  /** The origins of the chosen letters that are there, the one that died first first. */
  readonly chosen: string[];
  /** Whether each letter that was named is there. */
  readonly areAllThere: boolean;
}

/** Chooses letters, and notes each that was named and is not there. */
async function selected(
  admin: QueueAdmin,
  origins: readonly string[],
  { all, pattern, reason }: DeadChangeOptions,
): Promise<Selected> {
  const isFiltered = pattern !== undefined || reason !== undefined;
  const ways = [origins.length > 0, all === true, isFiltered].filter(Boolean).length;
  if (ways !== 1)
    throw new UsageError(
      'choose dead letters in one way: by their origins, with --reason and --pattern, or with --all',
    );
  if (origins.length > 0) {
    const named = [...new Set(origins)];
    const messages = await Promise.all(named.map((origin) => admin.message(origin)));
    const there = messages.map((message) => (message?.state === 'dead' ? message.origin : undefined));
    for (const [index, origin] of named.entries())
      if (there[index] === undefined) note(`there is no dead letter ${origin} in the queue`);
    const chosen = there.filter((origin) => origin !== undefined);
    return { chosen, areAllThere: chosen.length === named.length };
  }
  const chosen: string[] = [];
  const options = { states: ['dead' as const], newest: ALL_LETTERS };
  for await (const { found } of admin.search({ pattern, reason }, options))
    chosen.push(...found.map(({ origin }) => origin));
  return { chosen: chosen.reverse(), areAllThere: true };
}
