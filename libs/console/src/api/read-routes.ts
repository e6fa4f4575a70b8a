import type { MessageState } from 'elkmq';
import { subscriptionOfQueue } from 'elkmq/internal';
import type { ActionRecord } from '../queues/action-log.js';
import { HttpError } from '../http/http-error.js';
import { shortMessageOf } from '../queues/console-message.js';
import { pointsOf } from '../queues/rate-points.js';
import {
  numberParameter,
  textParameter,
  visibleMessageOf,
  withAdmin,
  type ApiCall,
  type Route,
} from './call.js';

const view = { method: 'GET', kind: 'view' } as const;

/** The routes that only read, without the search. */
export const READ_ROUTES: readonly Route[] = [
  { ...view, path: '/queues', hasQueue: false, handle: readQueues },
  { ...view, path: '/queue', hasQueue: true, handle: readQueue },
  { ...view, path: '/messages', hasQueue: true, handle: readMessages },
  { ...view, path: '/message', hasQueue: true, handle: readMessage },
  { ...view, path: '/rates', hasQueue: true, handle: readRates },
  { ...view, path: '/schedules', hasQueue: true, handle: readSchedules },
  { ...view, path: '/workers', hasQueue: false, handle: readAllWorkers },
  { ...view, path: '/topics', hasQueue: false, handle: readTopics },
  { ...view, path: '/actions', hasQueue: false, handle: readActions },
];

async function readQueues(call: ApiCall): Promise<unknown> {
  const { names, isComplete } = await visibleNames(call);
  return { queues: await call.list.readStates(names), isComplete, readOnly: call.options.readOnly === true };
}

async function readQueue({ list, queue, options }: ApiCall): Promise<unknown> {
  const [[state], workers] = await Promise.all([list.readStates([queue]), list.readWorkers(queue)]);
  return { ...state, workerList: workers, readOnly: options.readOnly === true };
}

async function readMessages(call: ApiCall): Promise<unknown> {
  const state = (textParameter(call, 'state') ?? 'waiting') as MessageState;
  const query = { after: textParameter(call, 'after'), limit: numberParameter(call, 'limit') ?? 50 };
  const { messages, next } = await withAdmin(call, (admin) => admin.messages(state, query));
  return { messages: messages.map((message) => shortMessageOf(visibleMessageOf(call, message))), next };
}

async function readMessage(call: ApiCall): Promise<unknown> {
  const id = textParameter(call, 'id') ?? '';
  const message = await withAdmin(call, (admin) => admin.message(id));
  if (!message)
    throw new HttpError(404, `The message ${id} is not in the queue. It was handled, or removed.`);
  return { ...visibleMessageOf(call, message), readOnly: call.options.readOnly === true };
}

/** The minutes of one point of a chart, by the hours of the chart. */
const MINUTES_PER_POINT: Readonly<Record<number, number>> = { 1: 1, 24: 10, 48: 20 };

async function readRates(call: ApiCall): Promise<unknown> {
  const hours = numberParameter(call, 'hours') ?? 1;
  const minutesPerPoint = MINUTES_PER_POINT[hours];
  if (minutesPerPoint === undefined)
    throw new HttpError(400, `hours must be 1, 24 or 48, got ${String(hours)}`);
  const rates = await call.list.readRates(call.queue, hours * 60);
  return { minutesPerPoint, points: pointsOf(rates, minutesPerPoint) };
}

async function readSchedules({ list, queue }: ApiCall): Promise<unknown> {
  return { schedules: await list.readSchedules(queue) };
}

async function readAllWorkers(call: ApiCall): Promise<unknown> {
  const { names } = await visibleNames(call);
  const states = await call.list.readStates(names);
  const busy = states.filter((state) => 'workers' in state && state.workers > 0);
  const lists = await Promise.all(busy.map(({ name }) => call.list.readWorkers(name)));
  return { workers: lists.flat() };
}

/** The topics of the queues that the sender may look at, with those subscriptions. */
async function readTopics(call: ApiCall): Promise<unknown> {
  const { names, isComplete } = await visibleNames(call);
  const topics = new Set(names.flatMap((name) => subscriptionOfQueue(name)?.topic ?? []));
  const states = await Promise.all(
    [...topics].map(async (topic) => {
      const state = await call.list.readTopic(topic);
      if ('error' in state) return { name: topic, ...state };
      const subscriptions = state.subscriptions.filter(({ queue }) => names.includes(queue));
      return { name: topic, ...state, subscriptions };
    }),
  );
  return { topics: states, isComplete };
}

async function readActions(call: ApiCall): Promise<unknown> {
  const records = await Promise.all(call.log.records.map((record) => visibleRecordOf(call, record)));
  return { actions: records.filter((record) => record !== undefined) };
}

/** The part of a record that the sender may see: not the name of a queue that the sender may not look at. */
async function visibleRecordOf(call: ApiCall, record: ActionRecord): Promise<ActionRecord | undefined> {
  if (!(await call.mayView(record.queue))) return undefined;
  const { to, error, ...rest } = record;
  if (to === undefined || (await call.mayView(to))) return record;
  // The text of an error can have the name.
  return { ...rest, error: error === undefined ? undefined : 'It has failed.' };
}

/** The names of the queues that the sender may look at. */
async function visibleNames(call: ApiCall): Promise<{ names: string[]; isComplete: boolean }> {
  const { names, isComplete } = await call.list.readNames();
  const visible = await Promise.all(names.map((name) => call.mayView(name)));
  return { names: names.filter((_, index) => visible[index]), isComplete };
}
