import type { ServerResponse } from 'node:http';
import { InvalidOptionError, type DeadLetterReason, type MessageState, type QueueMessage } from 'elkmq';
import { formatValue } from 'elkmq/internal';
import { shortMessageOf, type ConsoleMessage } from '../queues/console-message.js';
import {
  numberParameter,
  textParameter,
  visibleMessageOf,
  withAdmin,
  type ApiCall,
  type Route,
} from './call.js';

/** Searches a queue, and sends a line of JSON for each step: `{ found, searched, total }`. */
export const SEARCH_ROUTE: Route = {
  method: 'GET',
  kind: 'view',
  path: '/search',
  hasQueue: true,
  handle: search,
};

async function search(call: ApiCall): Promise<undefined> {
  const { response, options } = call;
  const text = textParameter(call, 'text');
  const header = headerOf(textParameter(call, 'header'));
  const key = textParameter(call, 'key');
  const common = {
    pattern: textParameter(call, 'pattern'),
    reason: textParameter(call, 'reason') as DeadLetterReason | undefined,
    since: numberParameter(call, 'since'),
    until: numberParameter(call, 'until'),
  };
  // Nobody finds out by searching what is hidden from them.
  const filter = options.redact ? common : { ...common, text, header, key };
  const states = textParameter(call, 'states')?.split(',') as MessageState[] | undefined;
  const newest = numberParameter(call, 'newest');
  await withAdmin(call, async (admin) => {
    for await (const { found, searched, total } of admin.search(filter, { states, newest })) {
      if (response.destroyed) return;
      const visible = found.map((message: QueueMessage) => visibleMessageOf(call, message));
      const matching = options.redact ? visible.filter((each) => matches(each, text, header, key)) : visible;
      if (!response.headersSent)
        response.writeHead(200, { 'Content-Type': 'application/x-ndjson; charset=utf-8' });
      const line = JSON.stringify({ found: matching.map(shortMessageOf), searched, total });
      // The next step is read from Redis when the reader has taken this one.
      if (!response.write(`${line}\n`)) await untilTaken(response);
    }
  });
  // A queue without messages has no step.
  if (!response.headersSent)
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson; charset=utf-8' });
  response.end();
  return undefined;
}

/** Resolves when what was written has been taken, or the reader has gone. */
function untilTaken(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
    if (response.destroyed) done();
  });
}

/** Reads `name=value`. */
function headerOf(text: string | undefined): Record<string, string> | undefined {
  if (text === undefined) return undefined;
  const at = text.indexOf('=');
  if (at > 0) return { [text.slice(0, at)]: text.slice(at + 1) };
  throw new InvalidOptionError(`header must be name=value, got ${formatValue(text)}`);
}

function matches(
  { payload, headers, orderingKey }: ConsoleMessage,
  text: string | undefined,
  header: Readonly<Record<string, string>> | undefined,
  key: string | undefined,
): boolean {
  const hasText = text === undefined || (payload ?? '').includes(text);
  return (
    hasText &&
    (key === undefined || orderingKey === key) &&
    Object.entries(header ?? {}).every(
      ([name, value]) => Object.hasOwn(headers, name) && headers[name] === value,
    )
  );
}
