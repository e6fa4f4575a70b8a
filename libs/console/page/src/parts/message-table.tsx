import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { CHANGES, changeMessages, changesFor } from '../changes.js';
import { counted } from '../format.js';
import { addressOf } from '../router.js';
import type { MessageState, ShortMessage } from '../types.js';
import { Table, type Column } from './table.js';
import { Ago, Data } from './text.js';

interface MessageTableProperties {
  readonly queue: string;
  readonly messages: readonly ShortMessage[];
  readonly label: string;
  /** The state of all messages, if they have one in common. */
  readonly state?: MessageState;
  readonly readOnly: boolean;
}

/** A list of messages, with actions for those that are selected. */
export function MessageTable({ queue, messages, label, state, readOnly }: MessageTableProperties): VNode {
  const [selectedIds, setSelected] = useState<ReadonlySet<string>>(new Set());
  const selected = messages.filter(({ id }) => selectedIds.has(id));
  const toggle = (id: string): void => {
    const next = new Set(selectedIds);
    if (!next.delete(id)) next.add(id);
    setSelected(next);
  };
  const mark: Column<ShortMessage> = {
    title: 'Select',
    hasHiddenTitle: true,
    cell: ({ id }) => (
      <input
        type="checkbox"
        aria-label={`Select ${id}`}
        checked={selectedIds.has(id)}
        onChange={() => toggle(id)}
      />
    ),
  };
  const isMarkable = !readOnly && state !== 'running';
  const columns = [...(isMarkable ? [mark] : []), ...columnsFor(queue, state)];
  const all = new Set(messages.map(({ id }) => id));
  return (
    <>
      {isMarkable && (
        <div class="toolbar">
          <button
            type="button"
            onClick={() => setSelected(selected.length === messages.length ? new Set() : all)}
          >
            {selected.length === messages.length
              ? 'Select none'
              : `Select ${counted(messages.length, 'message')}`}
          </button>
          {changesFor(selected.map((message) => message.state)).map((kind) => (
            <button
              key={kind}
              type="button"
              class={CHANGES[kind].isDangerous ? 'danger' : 'primary'}
              onClick={() => {
                void changeMessages(kind, queue, selected).then((isDone) => isDone && setSelected(new Set()));
              }}
            >
              {CHANGES[kind].verb} selected
            </button>
          ))}
          {selected.length > 0 && <span class="muted">{counted(selected.length, 'message')} selected</span>}
        </div>
      )}
      <Table label={label} columns={columns} rows={messages} keyOf={({ state: at, id }) => `${at} ${id}`} />
    </>
  );
}

function columnsFor(queue: string, state: MessageState | undefined): Column<ShortMessage>[] {
  const columns: Column<ShortMessage>[] = [
    {
      title: 'Id',
      cell: ({ id }) => (
        <a class="id" href={addressOf('message', { queue, id })}>
          {id}
        </a>
      ),
    },
    { title: 'Pattern', cell: ({ pattern }) => <Pattern pattern={pattern} /> },
    { title: 'Payload', cell: ({ payload }) => <Data text={payload ?? ''} /> },
    { title: 'Stored', cell: ({ storedAt }) => <Ago time={storedAt} /> },
    { title: 'Attempt', isNumber: true, cell: ({ attempt }) => attempt },
  ];
  if (state === undefined) columns.unshift({ title: 'State', cell: (message) => message.state });
  if (state === 'ordered')
    columns.push({ title: 'Ordering key', cell: ({ orderingKey }) => <Data text={orderingKey ?? ''} /> });
  if (state === 'running')
    columns.push(
      { title: 'Worker', cell: ({ consumer }) => <Data text={consumer ?? ''} /> },
      { title: 'Renewed', cell: ({ renewedAt }) => <Ago time={renewedAt} /> },
    );
  if (state === 'delayed') columns.push({ title: 'Due', cell: ({ dueAt }) => <Ago time={dueAt} /> });
  if (state === 'dead' || state === undefined)
    columns.push(
      { title: 'Reason', cell: ({ reason }) => reason ?? '–' },
      {
        title: 'Error',
        cell: ({ error }) => (error ? <Data text={`${error.name}: ${error.message}`} /> : '–'),
      },
    );
  if (state === 'dead') columns.push({ title: 'Died', cell: ({ diedAt }) => <Ago time={diedAt} /> });
  return columns;
}

export function Pattern({ pattern }: { pattern: string | null }): VNode {
  return pattern === null ? <em>no event</em> : <Data text={pattern} />;
}
