import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { isPaused, togglePause } from './live.js';
import { dismissNotice, NoticeBar } from './parts/notice.js';
import { QuestionDialog } from './parts/question.js';
import { addressOf, route } from './router.js';
import { ActionsView } from './views/actions.js';
import { MessageView } from './views/message.js';
import { QueueView } from './views/queue.js';
import { QueuesView } from './views/queues.js';
import { TopicsView } from './views/topics.js';
import { WorkersView } from './views/workers.js';

const MENU: readonly [view: string, label: string][] = [
  ['', 'Queues'],
  ['topics', 'Topics'],
  ['workers', 'Workers'],
  ['actions', 'Action log'],
];

/** The whole page: menu, notices, and the view that the address names. */
export function App(): VNode {
  const { view, parameters } = route.value;
  const main = useRef<HTMLElement>(null);
  const isFirst = useRef(true);
  const place = `${view} ${parameters.get('queue') ?? ''} ${parameters.get('id') ?? ''}`;
  useEffect(() => {
    document.title = [parameters.get('id'), parameters.get('queue'), 'ElkMQ'].filter(Boolean).join(' – ');
    // A screen reader goes on at the new view, as it would on a new page.
    if (!isFirst.current) main.current?.focus();
    isFirst.current = false;
    dismissNotice();
  }, [place]);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the content
      </a>
      <header>
        <a href={addressOf('')} class="brand">
          ElkMQ
        </a>
        <nav aria-label="Console">
          {MENU.map(([name, label]) => (
            <a key={name} href={addressOf(name)} aria-current={name === view ? 'page' : undefined}>
              {label}
            </a>
          ))}
        </nav>
        <button type="button" aria-pressed={isPaused.value} onClick={togglePause}>
          {isPaused.value ? 'Paused: go on' : 'Live: pause'}
        </button>
      </header>
      <NoticeBar />
      <main id="main" ref={main} tabIndex={-1}>
        <View view={view} />
      </main>
      <QuestionDialog />
    </>
  );
}

function View({ view }: { view: string }): VNode {
  switch (view) {
    case '':
      return <QueuesView />;
    case 'queue':
      return <QueueView />;
    case 'message':
      return <MessageView />;
    case 'topics':
      return <TopicsView />;
    case 'workers':
      return <WorkersView />;
    case 'actions':
      return <ActionsView />;
    default:
      return (
        <>
          <h1>There is no such page</h1>
          <p>
            Go to the <a href={addressOf('')}>queues</a>.
          </p>
        </>
      );
  }
}
