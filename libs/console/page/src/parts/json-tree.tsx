import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { counted, visibleText } from '../format.js';

/** A number as it is in the text, with all its digits. */
class ExactNumber {
  constructor(readonly text: string) {}
}

/** The children that are shown at first, and more with each click. */
const STEP_CHILDREN = 100;
/** The characters of a string that are shown in the tree. */
const MAX_STRING = 2_000;

/**
 * Reads JSON and keeps each number as it is written.
 * @returns `undefined` when the text is no JSON, or when this browser cannot keep the numbers
 */
export function parseExactJson(text: string): { readonly value: unknown } | undefined {
  type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;
  const keepNumbers: Reviver = (_key, value, context) => {
    if (typeof value !== 'number') return value;
    if (context?.source === undefined) throw new TypeError('this browser rounds numbers');
    return new ExactNumber(context.source);
  };
  try {
    return { value: JSON.parse(text, keepNumbers) };
  } catch {
    return undefined;
  }
}

/** JSON as a tree that can be opened. A branch is made when it is opened. */
export function JsonTree({ value }: { value: unknown }): VNode {
  return (
    <div class="tree">
      <Node value={value} depth={0} />
    </div>
  );
}

function Node({ name, value, depth }: { name?: string; value: unknown; depth: number }): VNode {
  const [isOpen, setOpen] = useState(depth < 2);
  const [limit, setLimit] = useState(STEP_CHILDREN);
  const label = name === undefined ? null : <span class="key">{visibleText(name)}: </span>;
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber)
    return (
      <div class="leaf">
        {label}
        <Leaf value={value} />
      </div>
    );
  const entries = Object.entries(value as Record<string, unknown>);
  const isList = Array.isArray(value);
  const summary = isList
    ? `[ ${counted(entries.length, 'element')} ]`
    : `{ ${counted(entries.length, 'member')} }`;
  if (entries.length === 0)
    return (
      <div class="leaf">
        {label}
        {isList ? '[ ]' : '{ }'}
      </div>
    );
  return (
    <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        {label}
        <span class="muted">{summary}</span>
      </summary>
      {isOpen &&
        entries
          .slice(0, limit)
          .map(([key, child]) => <Node key={key} name={key} value={child} depth={depth + 1} />)}
      {isOpen && entries.length > limit && (
        <button type="button" class="plain" onClick={() => setLimit(limit + STEP_CHILDREN)}>
          Show {counted(Math.min(STEP_CHILDREN, entries.length - limit), 'more element')}
        </button>
      )}
    </details>
  );
}

function Leaf({ value }: { value: unknown }): VNode {
  if (value instanceof ExactNumber) return <span class="json-number">{value.text}</span>;
  if (typeof value !== 'string') return <span class="json-word">{String(value)}</span>;
  const shown = value.length > MAX_STRING ? `${value.slice(0, MAX_STRING)}…` : value;
  return <bdi class="json-string">{visibleText(JSON.stringify(shown))}</bdi>;
}
