import type { VNode } from 'preact';
import { purgeState, switchPause } from '../changes.js';
import { counted, formatCount, formatDuration } from '../format.js';
import { useLive } from '../live.js';
import { MessageTable } from '../parts/message-table.js';
import { Empty, Failure } from '../parts/notice.js';
import { Ago, Data } from '../parts/text.js';
import { addressOf, route } from '../router.js';
import type { MessagesAnswer, MessageState, QueueAnswer, QueueState, SchedulesAnswer } from '../types.js';
import { RatesPanel } from './rates.js';
import { ScheduleTable } from './schedules.js';
import { SearchPanel } from './search.js';
import { WorkerTable } from './workers.js';

const STATES: readonly MessageState[] = ['waiting', 'ordered', 'running', 'delayed', 'dead'];

/** The states whose messages can be removed all at once. */
const PURGED: readonly MessageState[] = ['waiting', 'delayed', 'dead'];

const EMPTY: Readonly<Record<MessageState, string>> = {
  waiting: 'Workers have taken all messages, or nobody has sent one.',
  ordered: 'No message waits behind another one of its ordering key.',
  running: 'No worker is handling a message. When messages wait, look at the workers of the queue.',
  delayed: 'No message is due later, and none waits for its next attempt.',
  dead: 'Every message was handled.',
};

/** One queue: its state, the messages of a state, the search, its workers, and its schedules if it has any. */
export function QueueView(): VNode {
  const { parameters } = route.value;
  const queue = parameters.get('queue') ?? '';
  const tab = parameters.get('tab') ?? 'waiting';
  const query = new URLSearchParams({ queue }).toString();
  const { data, error } = useLive<QueueAnswer>(`queue?${query}`);
  const { data: { schedules } = {}, error: scheduleError } = useLive<SchedulesAnswer>(`schedules?${query}`);
  const state = data && !('error' in data) ? data : undefined;
  const readOnly = data?.readOnly ?? true;
  const hasSchedules = tab === 'schedules' || (schedules !== undefined && schedules.length > 0);
  return (
    <>
      <h1>
        <Data text={queue} />
      </h1>
      <Failure error={error ?? (data && 'error' in data ? data.error : scheduleError)} />
      {state && <Warnings state={state} />}
      {state && !readOnly && (
        <div class="toolbar">
          <button type="button" onClick={() => void switchPause(queue, state.paused !== undefined)}>
            {state.paused ? 'Resume the queue' : 'Pause the queue'}
          </button>
        </div>
      )}
      <nav aria-label="Parts of the queue" class="tabs">
        {[...STATES, 'search', 'rates', 'workers', ...(hasSchedules ? ['schedules'] : [])].map((name) => (
          <a
            key={name}
            href={addressOf('queue', { queue, tab: name })}
            aria-current={name === tab ? 'page' : undefined}
          >
            {name} <Count count={name === 'schedules' ? schedules?.length : state && countOf(state, name)} />
          </a>
        ))}
      </nav>
      {tab === 'search' && <SearchPanel queue={queue} readOnly={readOnly} />}
      {tab === 'rates' && <RatesPanel queue={queue} />}
      {tab === 'workers' && data && <WorkerTable workers={data.workerList} />}
      {tab === 'schedules' && schedules && (
        <ScheduleTable queue={queue} schedules={schedules} readOnly={readOnly} />
      )}
      {(STATES as readonly string[]).includes(tab) && (
        <StatePanel key={tab} queue={queue} name={tab as MessageState} state={state} readOnly={readOnly} />
      )}
    </>
  );
}

function countOf(state: QueueState, name: string): number | undefined {
  if (name === 'dead') return state.deadLetters;
  if (name === 'ordered') return state.behindKeys;
  return name === 'waiting' || name === 'running' || name === 'delayed' || name === 'workers'
    ? state[name]
    : undefined;
}

/** A purge leaves the messages that wait behind another one of their ordering key. */
function purgedCountOf(state: QueueState, name: MessageState): number | undefined {
  return name === 'waiting' ? state.waiting - state.behindKeys : countOf(state, name);
}

function Count({ count }: { count: number | undefined }): VNode | null {
  return count === undefined ? null : <span class="count">{formatCount(count)}</span>;
}

function Warnings({ state }: { state: QueueState }): VNode | null {
  const { waiting, workers, oldestWaiting, behindKeys, blockedKeys, paused, limits } = state;
  const { olderWorkers, away, waitsFor, moving } = state;
  const lines: string[] = [];
  for (const { partition, name, error } of away ?? [])
    lines.push(`Partition ${String(partition)} (${name}) does not answer: ${error}. It is not counted here.`);
  if (waiting > 0 && workers === 0)
    lines.push(
      'Messages wait, and no worker takes them. Is the service running, and does it use this queue?',
    );
  else if (oldestWaiting > 60_000 && !paused && waitsFor === undefined)
    lines.push(
      `The oldest message has been waiting for ${formatDuration(oldestWaiting)}: are there enough workers?`,
    );
  if (behindKeys > 0)
    lines.push(
      `${formatCount(behindKeys)} of the waiting messages wait behind others of their ordering key (${formatCount(blockedKeys)} keys).`,
    );
  if (limits?.concurrency !== undefined)
    lines.push(`At most ${formatCount(limits.concurrency)} messages run at once.`);
  if (limits?.rate)
    lines.push(
      `At most ${formatCount(limits.rate.limit)} messages start in ${formatCount(limits.rate.per)} ms.`,
    );
  if (olderWorkers)
    lines.push(
      `${formatCount(olderWorkers)} of its workers know no ordering keys: messages of one key can run at once. Upgrade them.`,
    );
  if (moving !== undefined)
    lines.push(
      `${counted(moving, 'message')} on the way to another queue. If nobody moves messages now, a move has ended early: move one more to the same queue, or use "elkmq move --rest".`,
    );
  if (lines.length === 0 && !paused && waitsFor === undefined) return null;
  return (
    <p class="notice warn">
      {paused && (
        <>
          The queue was paused <Ago time={paused.since} />
          {paused.by !== undefined && (
            <>
              {' '}
              by <Data text={paused.by} />
            </>
          )}
          : its workers take nothing until somebody resumes it.{' '}
        </>
      )}
      {waitsFor !== undefined && (
        <>
          The queue waits for <Data text={waitsFor} />: its workers take nothing until that is empty.{' '}
        </>
      )}
      {lines.join(' ')}
    </p>
  );
}

interface StatePanelProperties {
  readonly queue: string;
  readonly name: MessageState;
  readonly state: QueueState | undefined;
  readonly readOnly: boolean;
}

/** A page of the messages of one state. */
function StatePanel({ queue, name, state, readOnly }: StatePanelProperties): VNode {
  const after = route.value.parameters.get('after') ?? '';
  const query = new URLSearchParams({ queue, state: name, ...(after && { after }) });
  const { data, error } = useLive<MessagesAnswer>(`messages?${query.toString()}`);
  const count = (state && purgedCountOf(state, name)) ?? 0;
  return (
    <section aria-label={`${name} messages`}>
      <Failure error={error} />
      {data?.messages.length === 0 && <Empty title={`No ${name} message`}>{EMPTY[name]}</Empty>}
      {data && data.messages.length > 0 && (
        <>
          <MessageTable
            queue={queue}
            messages={data.messages}
            label={`${name} messages`}
            state={name}
            readOnly={readOnly}
          />
          <div class="toolbar">
            {after && <a href={addressOf('queue', { queue, tab: name })}>First page</a>}
            {data.next !== undefined && (
              <a href={addressOf('queue', { queue, tab: name, after: data.next })}>Next page</a>
            )}
            {!readOnly && PURGED.includes(name) && count > 0 && (
              <button type="button" class="danger" onClick={() => void purgeState(queue, name, count)}>
                Remove all {name}
              </button>
            )}
            {!readOnly && name === 'dead' && (
              <a href={addressOf('queue', { queue, tab: 'search', states: 'dead' })}>
                Retry or remove those that match
              </a>
            )}
          </div>
        </>
      )}
    </section>
  );
}
