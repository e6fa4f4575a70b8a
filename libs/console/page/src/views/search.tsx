import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { readSearch } from '../api.js';
import { CHANGES, changeMessages, changesFor } from '../changes.js';
import { counted, formatCount } from '../format.js';
import { MessageTable } from '../parts/message-table.js';
import { Empty } from '../parts/notice.js';
import { addressOf, navigateTo, route } from '../router.js';
import type { ShortMessage } from '../types.js';

/** The parameters of a search, as they are in the address of the view. */
const FIELDS = ['pattern', 'text', 'header', 'key', 'reason', 'states', 'since', 'newest'] as const;
const STATES = ['running', 'waiting', 'ordered', 'delayed', 'dead'];
const REASONS = ['abandoned', 'exhausted', 'expired', 'failed', 'malformed', 'rejected', 'unhandled'];
/** The number of messages that are shown. Actions for all that match take all of them. */
const MAX_SHOWN = 200;

interface Progress {
  readonly found: readonly ShortMessage[];
  readonly searched: number;
  readonly total: number;
  readonly isDone: boolean;
  readonly error?: string;
}

/** Searches a queue, and acts on what was found. */
export function SearchPanel({ queue, readOnly }: { queue: string; readOnly: boolean }): VNode {
  const { parameters } = route.value;
  const [progress, setProgress] = useState<Progress | undefined>();
  const running = useRef<AbortController | undefined>(undefined);
  const query = queryOf(queue, parameters);
  useEffect(() => {
    if (parameters.get('go') === null) return undefined;
    const stop = new AbortController();
    running.current = stop;
    void runSearch(query, stop.signal, setProgress);
    return () => stop.abort();
  }, [query, parameters.get('go')]);
  const start = (event: Event): void => {
    event.preventDefault();
    const values = new FormData(event.currentTarget as HTMLFormElement);
    const given = Object.fromEntries(FIELDS.map((name) => [name, textOf(values.get(name))]));
    // Another number starts the same search again.
    navigateTo(addressOf('queue', { queue, tab: 'search', ...given, go: String(Date.now()) }));
  };
  return (
    <section aria-label="Search">
      <form onSubmit={start} class="form">
        <Field name="pattern" label="Pattern" placeholder="order.*" />
        <Field name="text" label="Text in the payload" placeholder="4711" />
        <Field name="header" label="Header" placeholder="tenant=acme" />
        <Field name="key" label="Ordering key" placeholder="account-7" />
        <Choice name="states" label="State" options={STATES} any="any" />
        <Choice name="reason" label="Reason of a dead letter" options={REASONS} any="any" />
        <Choice name="newest" label="Newest messages" options={['1000', '10000', '1000000']} any="100000" />
        <div class="buttons">
          <button type="submit" class="primary">
            Search
          </button>
          {progress && !progress.isDone && (
            <button type="button" onClick={() => running.current?.abort()}>
              Stop
            </button>
          )}
        </div>
      </form>
      {progress && <Found queue={queue} progress={progress} readOnly={readOnly} />}
    </section>
  );
}

function textOf(value: FormDataEntryValue | null): string {
  return typeof value === 'string' ? value : '';
}

async function runSearch(
  query: string,
  signal: AbortSignal,
  setProgress: (progress: Progress) => void,
): Promise<void> {
  const found: ShortMessage[] = [];
  const seen = new Set<string>();
  let at = { searched: 0, total: 0 };
  setProgress({ found, ...at, isDone: false });
  try {
    for await (const step of readSearch(query, signal)) {
      // A message that changes its state meanwhile can come twice.
      for (const message of step.found) {
        if (seen.has(message.id)) continue;
        seen.add(message.id);
        found.push(message);
      }
      at = { searched: step.searched, total: step.total };
      setProgress({ found, ...at, isDone: false });
    }
    setProgress({ found, ...at, isDone: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    setProgress({ found, ...at, isDone: true, ...(!signal.aborted && { error: message }) });
  }
}

interface FoundProperties {
  readonly queue: string;
  readonly progress: Progress;
  readonly readOnly: boolean;
}

function Found({ queue, progress, readOnly }: FoundProperties): VNode {
  const { found, searched, total, isDone, error } = progress;
  return (
    <>
      <p role="status">
        Searched {formatCount(searched)} of {formatCount(Math.max(total, searched))}.{' '}
        {counted(found.length, 'message')} found{isDone ? '.' : ' so far …'}
      </p>
      {error !== undefined && (
        <p class="notice bad" role="alert">
          {error}
        </p>
      )}
      {isDone && found.length === 0 && error === undefined && (
        <Empty title="Nothing matches">
          A star stands for any characters of a pattern. The text must be as it is in the JSON of the payload.
        </Empty>
      )}
      {isDone && !readOnly && found.length > 0 && (
        <div class="toolbar">
          {changesFor(found.map(({ state }) => state)).map((kind) => (
            <button
              key={kind}
              type="button"
              class={CHANGES[kind].isDangerous ? 'danger' : 'primary'}
              onClick={() => void changeMessages(kind, queue, found)}
            >
              {CHANGES[kind].verb} all that match (
              {formatCount(found.filter(({ state }) => CHANGES[kind].states.includes(state)).length)})
            </button>
          ))}
        </div>
      )}
      {found.length > 0 && (
        <MessageTable
          queue={queue}
          messages={found.slice(0, MAX_SHOWN)}
          label="Messages found"
          readOnly={readOnly}
        />
      )}
      {found.length > MAX_SHOWN && <p class="muted">The first {MAX_SHOWN} are shown.</p>}
    </>
  );
}

function Field({ name, label, placeholder }: { name: string; label: string; placeholder: string }): VNode {
  return (
    <label>
      {label}
      <input name={name} placeholder={placeholder} defaultValue={route.peek().parameters.get(name) ?? ''} />
    </label>
  );
}

interface ChoiceProperties {
  readonly name: string;
  readonly label: string;
  readonly options: readonly string[];
  /** The text of the choice that says nothing. */
  readonly any: string;
}

function Choice({ name, label, options, any }: ChoiceProperties): VNode {
  const chosen = route.peek().parameters.get(name) ?? '';
  return (
    <label>
      {label}
      <select name={name}>
        <option value="" selected={chosen === ''}>
          {any}
        </option>
        {options.map((option) => (
          <option key={option} value={option} selected={chosen === option}>
            {option}
          </option>
        ))}
      </select>
    </label>
  );
}

function queryOf(queue: string, parameters: URLSearchParams): string {
  const query = new URLSearchParams({ queue });
  for (const name of FIELDS) {
    const value = parameters.get(name);
    if (value) query.set(name, value);
  }
  return query.toString();
}
