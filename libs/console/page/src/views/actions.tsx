import type { VNode } from 'preact';
import { formatCount } from '../format.js';
import { useLive } from '../live.js';
import { Empty, Failure } from '../parts/notice.js';
import { Table, type Column } from '../parts/table.js';
import { Ago, Data } from '../parts/text.js';
import { addressOf } from '../router.js';
import type { ActionRecord } from '../types.js';

/** The changes that were made with this console. */
export function ActionsView(): VNode {
  const { data, error } = useLive<{ actions: readonly ActionRecord[] }>('actions');
  return (
    <>
      <h1>Action log</h1>
      <Failure error={error} />
      {data?.actions.length === 0 && (
        <Empty title="Nobody has changed anything">
          The last 500 changes of this console are here, until its process ends.
        </Empty>
      )}
      {data && data.actions.length > 0 && (
        <Table
          label="Changes"
          columns={COLUMNS}
          rows={data.actions}
          keyOf={({ at, kind, queue }) => `${String(at)} ${kind} ${queue}`}
        />
      )}
    </>
  );
}

const COLUMNS: readonly Column<ActionRecord>[] = [
  { title: 'When', cell: ({ at }) => <Ago time={at} /> },
  { title: 'Who', cell: ({ who }) => (who === undefined ? '–' : <Data text={who} />) },
  {
    title: 'Action',
    cell: ({ kind, to }) => (
      <>
        {kind}
        {to !== undefined && (
          <>
            {' '}
            to <Data text={to} />
          </>
        )}
      </>
    ),
  },
  {
    title: 'Queue',
    cell: ({ queue }) => (
      <a href={addressOf('queue', { queue })}>
        <Data text={queue} />
      </a>
    ),
  },
  { title: 'Chosen', cell: ({ target }) => <Target target={target} /> },
  { title: 'Changed', isNumber: true, cell: ({ count }) => formatCount(count) },
  { title: 'Error', cell: ({ error }) => (error === undefined ? '–' : <Data text={error} />) },
];

function Target({ target }: { target: ActionRecord['target'] }): VNode {
  if (typeof target === 'string') return <span>all {target}</span>;
  const [first = '–', ...others] = target;
  return (
    <span>
      <Data text={first} />
      {others.length > 0 && ` and ${formatCount(others.length)} more`}
    </span>
  );
}
