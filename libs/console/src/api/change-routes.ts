import { InvalidOptionError, type MessageState, type QueueAdmin } from 'elkmq';
import { callListener, formatValue, messageOf, parseScheduleName } from 'elkmq/internal';
import { HttpError } from '../http/http-error.js';
import type { ConsoleActionKind } from '../queues/action-log.js';
import { textParameter, withAdmin, type ApiCall, type Route } from './call.js';

/** The number of messages that one call changes. The page makes several calls for more. */
const MAX_IDS = 1_000;
/** The length to which the name of the one who pauses a queue is cut. */
const MAX_BY_CHARACTERS = 256;

/** The routes that change something. */
export const CHANGE_ROUTES: readonly Route[] = [
  changeOfIds('retry', (admin, ids) => admin.retry(ids)),
  changeOfIds('remove', (admin, ids) => admin.remove(ids)),
  changeOfIds('runNow', (admin, ids) => admin.runNow(ids)),
  changeRoute('move', async (call) => {
    const ids = idsOf(call.parameters['ids']);
    const to = await call.checkOtherQueue(call.parameters['to']);
    return changeWithAdmin(call, 'move', ids, (admin) => admin.move(ids, to), to);
  }),
  changeRoute('purge', (call) => {
    const state = textParameter(call, 'state') ?? '';
    return changeWithAdmin(
      call,
      'purge',
      state,
      countOf((admin) => admin.purge(state as MessageState)),
    );
  }),
  changeOfQueue('pause', async (admin, who) => {
    await admin.pause((who ?? 'the console').slice(0, MAX_BY_CHARACTERS).toWellFormed());
  }),
  changeOfQueue('resume', async (admin) => {
    await admin.resume();
  }),
  changeRoute('removeSchedule', (call) => {
    const name = parseScheduleName(call.parameters['name']);
    return makeChange(call, 'removeSchedule', [name], async () => {
      if (!(await call.list.removeSchedule(call.queue, name)))
        throw new HttpError(404, `The queue has no schedule ${formatValue(name)}.`);
      return { count: 1 };
    });
  }),
];

/** @param change of the queue itself, by the sender of the call */
function changeOfQueue(
  kind: ConsoleActionKind,
  change: (admin: QueueAdmin, who: string | undefined) => Promise<void>,
): Route {
  return changeRoute(kind, (call) =>
    changeWithAdmin(call, kind, [], async (admin, who) => {
      await change(admin, who);
      return { count: 0 };
    }),
  );
}

function changeOfIds(
  kind: ConsoleActionKind,
  change: (admin: QueueAdmin, ids: string[]) => Promise<number>,
): Route {
  return changeRoute(kind, (call) => {
    const ids = idsOf(call.parameters['ids']);
    return changeWithAdmin(
      call,
      kind,
      ids,
      countOf((admin) => change(admin, ids)),
    );
  });
}

function changeRoute(kind: ConsoleActionKind, handle: Route['handle']): Route {
  return { method: 'POST', path: `/${kind}`, kind, hasQueue: true, handle };
}

function countOf(change: (admin: QueueAdmin) => Promise<number>) {
  return async (admin: QueueAdmin): Promise<{ count: number }> => ({ count: await change(admin) });
}

/** Makes a change as `makeChange` does, with the admin of the queue. */
function changeWithAdmin<T extends { readonly count: number }>(
  call: ApiCall,
  kind: ConsoleActionKind,
  target: readonly string[] | string,
  change: (admin: QueueAdmin, who: string | undefined) => Promise<T>,
  to?: string,
): Promise<T> {
  return makeChange(call, kind, target, (who) => withAdmin(call, (admin) => change(admin, who)), to);
}

/**
 * Makes a change, and tells the action log and `audit` of it, also when it fails. `identify` is asked before,
 * so its error leaves everything as it is. An error of `audit` comes too late for that, and is a warning.
 */
async function makeChange<T extends { readonly count: number }>(
  call: ApiCall,
  kind: ConsoleActionKind,
  target: readonly string[] | string,
  change: (who: string | undefined) => Promise<T>,
  to?: string,
): Promise<T> {
  const { queue, options, log } = call;
  const who = await senderOf(call);
  const record = (count: number, error?: string): void => {
    const action = {
      at: Date.now(),
      who,
      kind,
      queue,
      target,
      ...(to !== undefined && { to }),
      count,
      error,
    };
    log.addRecord(action);
    callListener(
      () => options.audit?.(action),
      (failure) => {
        process.emitWarning(`ElkMqConsole: audit has failed: ${messageOf(failure)}`);
      },
    );
  };
  let result: T;
  try {
    result = await change(who);
  } catch (error) {
    record(0, error instanceof Error ? error.message : String(error));
    throw error;
  }
  record(result.count);
  return result;
}

/** The name that `identify` gives to the sender of a call. */
async function senderOf({ options, request }: ApiCall): Promise<string | undefined> {
  const who: unknown = await options.identify?.(request);
  if (who === undefined || typeof who === 'string') return who;
  throw new TypeError(`identify must answer a string or undefined, got ${formatValue(who)}`);
}

function idsOf(value: unknown): string[] {
  const isList = Array.isArray(value) && value.length > 0 && value.length <= MAX_IDS;
  if (isList && value.every((id) => typeof id === 'string')) return value;
  throw new InvalidOptionError(
    `ids must be an array of 1 to ${String(MAX_IDS)} ids of messages, got ${formatValue(value)}`,
  );
}
