import { postChange } from './api.js';
import { counted } from './format.js';
import { refreshViews } from './live.js';
import { announce } from './parts/notice.js';
import { ask } from './parts/question.js';
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
  const what = counted(ids.length, 'message');
  if (ids.length === 0 || !(await ask(`${verb} ${what}?`, explanation, `${verb} ${what}`, isDangerous)))
    return false;
  let done = 0;
  try {
    for (let at = 0; at < ids.length; at += CHUNK) {
      done += await postChange(kind, { queue, ids: ids.slice(at, at + CHUNK) });
      if (ids.length > CHUNK) announce(`${counted(done, 'message')} of ${what} so far …`);
    }
    const rest = ids.length - done;
    const others = rest > 0 ? ` ${counted(rest, 'message')} had moved on before.` : '';
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
    announce(`${counted(await postChange('purge', { queue, state }), 'message')} removed.`);
  } catch (error) {
    announce(error instanceof Error ? error.message : String(error), true);
  }
  refreshViews();
}
