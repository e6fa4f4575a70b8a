import { postChange } from './api.js';
import { counted, formatCount, visibleText } from './format.js';
import { refreshViews } from './live.js';
import { announce } from './parts/notice.js';
import { ask, askForText } from './parts/question.js';
import type { ChangeKind, MessageState, ShortMessage } from './types.js';

/** The ids that one call changes. */
const CHUNK = 500;

interface Words {
  readonly verb: string;
  readonly did: string;
  readonly explanation: string;
  readonly isDangerous: boolean;
  /** The states of messages that it can change. */
  readonly states: readonly MessageState[];
}

export const CHANGES: Readonly<Record<ChangeKind, Words>> = {
  retry: {
    verb: 'Retry',
    did: 'put back into the queue',
    explanation:
      'Workers will handle it anew, as a new message. What a handler has done already can be done twice.',
    isDangerous: false,
    states: ['dead'],
  },
  runNow: {
    verb: 'Run now',
    did: 'put into the queue',
    explanation: 'A worker takes it as soon as one is free.',
    isDangerous: false,
    states: ['delayed'],
  },
  move: {
    verb: 'Move',
    did: 'moved',
    explanation:
      'They go to another queue on this Redis. Requests stay, and so do messages behind one of their ordering key that stays.',
    isDangerous: false,
    states: ['waiting', 'ordered', 'delayed', 'dead'],
  },
  remove: {
    verb: 'Remove',
    did: 'removed',
    explanation: 'Removed messages are gone for good. A caller that waits for a reply gets none.',
    isDangerous: true,
    states: ['waiting', 'ordered', 'delayed', 'dead'],
  },
};

/** The changes that are possible for messages of these states. */
export function changesFor(states: Iterable<MessageState>): ChangeKind[] {
  const present = new Set(states);
  const kinds = Object.keys(CHANGES) as ChangeKind[];
  return kinds.filter((kind) => CHANGES[kind].states.some((state) => present.has(state)));
}

/**
 * Asks the user, changes messages in chunks, and tells what came of it.
 * @returns whether something was changed
 */
export async function changeMessages(
  kind: ChangeKind,
  queue: string,
  messages: readonly Pick<ShortMessage, 'id' | 'state'>[],
): Promise<boolean> {
  const { verb, did, explanation, isDangerous, states } = CHANGES[kind];
  const ids = messages.filter(({ state }) => states.includes(state)).map(({ id }) => id);
  // The oldest goes first: a move keeps the order.
  if (kind === 'move') ids.sort(compareIds);
  const what = counted(ids.length, 'message');
  if (ids.length === 0) return false;
  const title = `${verb} ${what}?`;
  const isMove = kind === 'move';
  const to = isMove ? await askForText(title, explanation, `${verb} ${what}`, 'To the queue') : undefined;
  if (isMove ? !to : !(await ask(title, explanation, `${verb} ${what}`, isDangerous))) return false;
  let done = 0;
  const stayed: Record<string, number> = {};
  try {
    for (let at = 0; at < ids.length; at += CHUNK) {
      const answer = await postChange(kind, { queue, ids: ids.slice(at, at + CHUNK), to });
      done += answer.count;
      for (const [reason, count] of Object.entries(answer.stayed ?? {}))
        stayed[reason] = (stayed[reason] ?? 0) + count;
      if (ids.length > CHUNK) announce(`${counted(done, 'message')} of ${what} so far …`);
    }
    const others = isMove ? describeStayed(stayed) : describeRest(ids.length - done);
    announce(`${counted(done, 'message')} ${done === 1 ? 'was' : 'were'} ${did}.${others}`);
  } catch (error) {
    announce(
      `${error instanceof Error ? error.message : String(error)} ${counted(done, 'message')} ${did}.`,
      true,
    );
  }
  refreshViews();
  return true;
}

function describeRest(rest: number): string {
  return rest > 0 ? ` ${counted(rest, 'message')} had moved on before.` : '';
}

const STAYED: Readonly<Record<string, string>> = {
  gone: 'not there any more',
  legacy: 'of legacy clients',
  ordered: 'behind one of their ordering key',
  request: 'requests',
  running: 'running',
  unreadable: 'no events',
};

function describeStayed(stayed: Readonly<Record<string, number>>): string {
  const parts = Object.entries(stayed).map(
    ([reason, count]) => `${formatCount(count)} ${STAYED[reason] ?? reason}`,
  );
  return parts.length > 0 ? ` Not moved: ${parts.join(', ')}.` : '';
}

/** An id is the time, a number, and perhaps a partition before them. */
function compareIds(one: string, other: string): number {
  const [time = 0, number = 0] = one.replace(/^.*:/, '').split('-').map(Number);
  const [otherTime = 0, otherNumber = 0] = other.replace(/^.*:/, '').split('-').map(Number);
  return time - otherTime || number - otherNumber;
}

/** Pauses a queue after a question, or resumes it. */
export async function switchPause(queue: string, isPaused: boolean): Promise<void> {
  const text =
    'Its workers take no messages until somebody resumes it. What they handle now goes on to its end.';
  if (!isPaused && !(await ask(`Pause ${queue}?`, text, 'Pause the queue', false))) return;
  try {
    await postChange(isPaused ? 'resume' : 'pause', { queue });
    announce(isPaused ? 'The queue goes on.' : 'The queue is paused.');
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error), true);
  }
  refreshViews();
}

/** Removes all messages of a state, after a question with their number. */
export async function purgeState(queue: string, state: MessageState, count: number): Promise<void> {
  const what = `${count === 1 ? 'the' : 'all'} ${counted(count, `${state} message`)}`;
  const title = `Remove ${what} of ${queue}?`;
  if (!(await ask(title, CHANGES.remove.explanation, `Remove ${what}`, true))) return;
  try {
    announce(`${counted((await postChange('purge', { queue, state })).count, 'message')} removed.`);
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error), true);
  }
  refreshViews();
}

/** Removes a schedule after a question. */
export async function removeSchedule(queue: string, name: string): Promise<void> {
  const title = `Remove the schedule ${visibleText(name)} of ${visibleText(queue)}?`;
  const text =
    'No more events of it are stored. Those that are in the queue stay. It comes back when a server starts that declares it.';
  if (!(await ask(title, text, 'Remove the schedule', true))) return;
  try {
    await postChange('removeSchedule', { queue, name });
    announce('The schedule was removed.');
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error), true);
  }
  refreshViews();
}
