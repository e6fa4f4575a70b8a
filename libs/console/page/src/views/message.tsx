import type { ComponentChildren, VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import { CHANGES, changeMessages, changesFor } from '../changes.js';
import { formatCount, visibleText } from '../format.js';
import { useLive } from '../live.js';
import { JsonTree, parseExactJson } from '../parts/json-tree.js';
import { Pattern } from '../parts/message-table.js';
import { Empty, Failure } from '../parts/notice.js';
import { Ago, Data } from '../parts/text.js';
import { addressOf, route } from '../router.js';
import type { MessageAnswer } from '../types.js';

/** The characters of a payload that are shown raw. A browser needs seconds for more. */
const MAX_RAW = 200_000;

/** One message, whole. */
export function MessageView(): VNode {
  const { parameters } = route.value;
  const [queue, id] = [parameters.get('queue') ?? '', parameters.get('id') ?? ''];
  const query = new URLSearchParams({ queue, id });
  const { data, error } = useLive<MessageAnswer>(`message?${query.toString()}`);
  return (
    <>
      <p>
        <a href={addressOf('queue', { queue, tab: data?.state })}>
          ← <Data text={queue} />
        </a>
      </p>
      <h1>
        Message <span class="data">{id}</span>
      </h1>
      {!data && error !== undefined && (
        <Empty title="There is no such message now">
          {error} Look for it with the <a href={addressOf('queue', { queue, tab: 'search' })}>search</a>.
        </Empty>
      )}
      {!data && error === undefined && <p class="muted">Reading …</p>}
      {data && (
        <>
          <Failure error={error} />
          <Actions queue={queue} message={data} />
          <Facts message={data} />
          {data.error && <ErrorPart error={data.error} />}
          <EarlierErrors errors={data.errors} />
          <Headers headers={data.headers} />
          <Payload payload={data.payload} isEvent={data.pattern !== null} />
        </>
      )}
    </>
  );
}

function Actions({ queue, message }: { queue: string; message: MessageAnswer }): VNode | null {
  const kinds = changesFor([message.state]);
  if (message.readOnly || kinds.length === 0) return null;
  return (
    <div class="toolbar">
      {kinds.map((kind) => (
        <button
          key={kind}
          type="button"
          class={CHANGES[kind].isDangerous ? 'danger' : 'primary'}
          onClick={() => void changeMessages(kind, queue, [message])}
        >
          {CHANGES[kind].verb}
        </button>
      ))}
    </div>
  );
}

function Facts({ message }: { message: MessageAnswer }): VNode {
  const { state, origin, id, isRequest, attempt, storedAt, deadline, dueAt, consumer, renewedAt } = message;
  const { reason, diedAt, traceId, orderingKey } = message;
  const facts: [name: string, value: ComponentChildren | undefined][] = [
    ['State', reason === undefined ? state : `${state}: ${reason}`],
    ['Pattern', <Pattern pattern={message.pattern} />],
    ['Kind', isRequest ? 'request: a caller waits for the reply' : 'event'],
    ['Attempt', attempt],
    ['Origin', origin === id ? undefined : origin],
    ['Stored', <Ago time={storedAt} />],
    ['Expires', deadline === undefined ? undefined : <Ago time={deadline} />],
    ['Due', dueAt === undefined ? undefined : <Ago time={dueAt} />],
    ['Died', diedAt === undefined ? undefined : <Ago time={diedAt} />],
    ['Worker', consumer === undefined ? undefined : <Data text={consumer} />],
    ['Lease renewed', renewedAt === undefined ? undefined : <Ago time={renewedAt} />],
    ['Ordering key', orderingKey === undefined ? undefined : <Data text={orderingKey} />],
    ['Trace id', traceId],
  ];
  return (
    <dl class="facts">
      {facts.map(([name, value]) =>
        value === undefined ? null : (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}

function ErrorPart({ error }: { error: NonNullable<MessageAnswer['error']> }): VNode {
  return (
    <section aria-labelledby="error-title">
      <h2 id="error-title">Error</h2>
      <p class="bad">
        <Data text={`${error.name}: ${error.message}`} />
      </p>
      {error.stack !== undefined && (
        <pre tabIndex={0} role="region" aria-label="Stack">
          {visibleText(error.stack)}
        </pre>
      )}
    </section>
  );
}

function EarlierErrors({ errors }: { errors: MessageAnswer['errors'] }): VNode | null {
  if (errors.length === 0) return null;
  return (
    <section aria-labelledby="attempts-title">
      <h2 id="attempts-title">Earlier attempts</h2>
      <dl class="facts">
        {errors.toReversed().map(({ attempt, at, name, message, stack }) => (
          <div key={attempt}>
            <dt>Attempt {attempt}</dt>
            <dd>
              <Ago time={at} /> <Data text={`${name}: ${message}`} />
              {stack !== undefined && (
                <details>
                  <summary>Stack</summary>
                  <pre tabIndex={0} role="region" aria-label={`Stack of attempt ${String(attempt)}`}>
                    {visibleText(stack)}
                  </pre>
                </details>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Headers({ headers }: { headers: Readonly<Record<string, string>> }): VNode | null {
  const entries = Object.entries(headers);
  if (entries.length === 0) return null;
  return (
    <section aria-labelledby="headers-title">
      <h2 id="headers-title">Headers</h2>
      <dl class="facts">
        {entries.map(([name, value]) => (
          <div key={name}>
            <dt>
              <Data text={name} />
            </dt>
            <dd>
              <Data text={value} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Payload({ payload, isEvent }: { payload: string | null; isEvent: boolean }): VNode {
  const text = payload ?? '';
  const json = useMemo(() => parseExactJson(text), [text]);
  const isCut = text.length > MAX_RAW;
  return (
    <section aria-labelledby="payload-title">
      <h2 id="payload-title">{isEvent ? 'Payload' : 'Fields of the entry, which is no event'}</h2>
      {payload === null && <p class="muted">It has none.</p>}
      {json && <JsonTree value={json.value} />}
      {payload !== null && (
        <details open={!json}>
          <summary>
            Raw <span class="muted">{formatCount(text.length)} characters</span>
          </summary>
          <pre tabIndex={0} role="region" aria-label="Raw payload">
            {visibleText(isCut ? text.slice(0, MAX_RAW) : text)}
          </pre>
          {isCut && <p class="muted">The first {formatCount(MAX_RAW)} characters. npx elkmq show has all.</p>}
        </details>
      )}
    </section>
  );
}
