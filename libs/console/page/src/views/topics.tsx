import type { VNode } from 'preact';
import { formatCount, formatDuration } from '../format.js';
import { useLive } from '../live.js';
import { Empty, Failure } from '../parts/notice.js';
import { Table, type Column } from '../parts/table.js';
import { Ago, Data } from '../parts/text.js';
import { addressOf } from '../router.js';
import type { ListedTopic, TopicsAnswer } from '../types.js';

type Topic = Exclude<ListedTopic, { readonly error: string }>;
type Subscription = Topic['subscriptions'][number];

/** The topics, each with its subscriptions and the states of their queues. */
export function TopicsView(): VNode {
  const { data, error } = useLive<TopicsAnswer>('topics');
  return (
    <>
      <h1>Topics</h1>
      <Failure error={error} />
      {!data && error === undefined && <p class="muted">Reading …</p>}
      {data?.topics.length === 0 && (
        <Empty title="No topic">
          A topic is here when a queue of one of its subscriptions is. <code>npx elkmq topics</code> lists
          all.
        </Empty>
      )}
      {data?.topics.map((topic) =>
        'error' in topic ? (
          <section key={topic.name}>
            <h2>
              <Data text={topic.name} />
            </h2>
            <p class="bad">{topic.error}</p>
          </section>
        ) : (
          <TopicPart key={topic.name} topic={topic} />
        ),
      )}
    </>
  );
}

function TopicPart({ topic }: { topic: Topic }): VNode {
  const { name, subscriptions, unrouted, lastUnrouted, away } = topic;
  return (
    <section>
      <h2>
        <Data text={name} />
      </h2>
      {away?.map((each) => (
        <p key={each.partition} class="notice warn">
          Partition {String(each.partition)} (<Data text={each.name} />) does not answer: {each.error}. It is
          not counted here.
        </p>
      ))}
      {unrouted > 0 && (
        <p class="notice warn">
          {formatCount(unrouted)} events had no subscription and were not stored
          {lastUnrouted && (
            <>
              , the last one <Ago time={lastUnrouted.at} />: <Data text={lastUnrouted.action} />
            </>
          )}
          .
        </p>
      )}
      <Table
        label={`Subscriptions of ${name}`}
        columns={COLUMNS}
        rows={subscriptions}
        keyOf={(subscription) => subscription.name}
      />
    </section>
  );
}

const COLUMNS: readonly Column<Subscription>[] = [
  {
    title: 'Subscription',
    cell: ({ name, queue }) => (
      <a href={addressOf('queue', { queue })}>
        <Data text={name} />
      </a>
    ),
  },
  { title: 'Patterns', cell: ({ patterns }) => <Data text={patterns.join(', ')} /> },
  { title: 'Waiting', isNumber: true, cell: ({ waiting }) => formatCount(waiting) },
  {
    title: 'Oldest',
    isNumber: true,
    cell: ({ waiting, oldestWaiting }) => (waiting === 0 ? '–' : formatDuration(oldestWaiting)),
  },
  { title: 'Running', isNumber: true, cell: ({ running }) => formatCount(running) },
  { title: 'Dead', isNumber: true, cell: ({ deadLetters }) => formatCount(deadLetters) },
  { title: 'Workers', isNumber: true, cell: ({ workers }) => formatCount(workers) },
  { title: 'Trimmed', isNumber: true, cell: ({ trimmed }) => formatCount(trimmed) },
];
