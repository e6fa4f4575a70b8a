import { createHash } from 'node:crypto';
import type { QueueContext } from '../context/queue-context.js';
import { RateFlush } from '../context/rate-flush.js';
import { encodeEvent } from '../model/codec.js';
import { DequeueError, InvalidOptionError } from '../model/errors.js';
import type { QueueKeys } from '../model/keys.js';
import { formatValue } from '../model/options.js';
import { MAX_TIMEOUT_SECONDS, ServiceEvent } from '../model/service-event.js';
import { messageOf } from '../model/thrown.js';
import { needsOfScheduler } from '../redis/needs.js';
import { PeriodicTask, type TaskRefused } from '../redis/periodic-task.js';
import { isReplyError } from '../redis/redis-errors.js';
import { callReliably, reliably } from '../redis/reliable-call.js';
import { findRefusals } from '../redis/rights.js';
import { runScript, type ScriptCall } from '../redis/scripts.js';
import * as scripts from '../redis/scripts.generated.js';
import { loadCron, type Occurrences, type ReadCron } from './occurrences.js';
import { readDefinition, type DeclaredSchedule, type Definition } from './schedule.js';
import { scheduleRowsOf } from './schedule-rows.js';

/** The pause between two looks at the schedules, ms: other processes declare and remove some. */
const LOOK_INTERVAL_MS = 1_000;
/** An occurrence that is late by more than this was missed, ms. */
const MISSED_AFTER_MS = 60_000;
/** The number of occurrences of one call. */
const OCCURRENCES_PER_CALL = 100;
/** The header with the time of an occurrence, ISO 8601. */
const SCHEDULED_AT = 'elkmq-scheduled-at';

export interface SchedulerListener {
  /** Something is not as it should be, and the schedules go on. */
  readonly warned: (message: string) => void;
  readonly onRefused: TaskRefused;
}

/** A definition with its times. */
interface Plan {
  readonly definition: Definition;
  readonly occurrences: Occurrences;
}

/**
 * Stores the events of the schedules of a queue when they are due. All processes that declare schedules look
 * at all of them, and the first one that comes stores an event. A script of Redis decides who that is, on the
 * clock of Redis.
 */
export class Scheduler {
  readonly #context: QueueContext;
  readonly #listener: SchedulerListener;
  readonly #task: PeriodicTask;
  readonly #rates: RateFlush;
  readonly #declared = new Map<string, TimedSchedule>();
  /** The definitions that were seen in Redis, by their JSON; `undefined` for one that cannot be read. */
  readonly #plans = new Map<string, Plan | undefined>();
  #readCron: ReadCron | undefined;

  constructor(context: QueueContext, listener: SchedulerListener) {
    this.#context = context;
    this.#listener = listener;
    const { connection, keys } = context;
    const options = {
      name: `the schedules of queue '${keys.queue}'`,
      intervalMs: LOOK_INTERVAL_MS,
      connection,
      onRefused: listener.onRefused,
    };
    this.#task = new PeriodicTask(options, () => this.#run());
    this.#rates = new RateFlush(connection, keys, context.rates);
  }

  /**
   * Declares schedules, and looks at those of the queue from then on. A schedule that somebody has removed
   * comes back.
   * @param timeoutMs the time that Redis may take for each call
   * @throws {InvalidOptionError} when an expression is wrong, or croner is not there
   * @throws {DequeueError} when Redis refuses
   * @throws {ConnectionError} when Redis takes too long
   */
  async declare(schedules: readonly DeclaredSchedule[], timeoutMs: number): Promise<void> {
    this.#readCron ??= await loadCron();
    const declared = schedules.map((schedule) => withTimes(schedule, this.#readCron as ReadCron));
    const { connection, keys } = this.#context;
    try {
      await this.#checkRights(timeoutMs);
      const answer = await callReliably(connection, scripts.readSchedules(keys), timeoutMs);
      const { now } = scheduleRowsOf(answer);
      for (const schedule of declared) {
        await callReliably(connection, declarationOf(schedule, keys, now, false), timeoutMs);
        this.#declared.set(schedule.name, schedule);
      }
    } catch (error) {
      if (!isReplyError(error)) throw error;
      throw new DequeueError(`Redis refuses the schedules of the queue '${keys.queue}': ${error.message}`, {
        cause: error,
      });
    }
    this.#task.runWithin(0);
  }

  /** Looks no more. The schedules stay in Redis. */
  async stopLooking(): Promise<void> {
    await this.#task.stopTask();
    await this.#rates.stopFlushing();
  }

  async #checkRights(timeoutMs: number): Promise<void> {
    const { connection, keys } = this.#context;
    const find = (client: typeof connection.client) => findRefusals(client, keys.rights, needsOfScheduler());
    const { essential } = await reliably(connection, find, timeoutMs);
    if (essential !== undefined) throw new DequeueError(`queue '${keys.queue}': ${essential}`);
  }

  /** @returns the time until the next look, ms */
  async #run(): Promise<number> {
    const { connection, keys } = this.#context;
    const { now, rows } = scheduleRowsOf(await runScript(connection.client, scripts.readSchedules(keys)));
    const known = new Set(rows.map(({ name }) => name));
    for (const schedule of this.#declared.values()) {
      if (!known.has(schedule.name)) await this.#declareLost(schedule, now);
    }
    let pauseMs = LOOK_INTERVAL_MS;
    for (const { name, definition, due } of rows) {
      if (definition === undefined || due === undefined) continue;
      const untilDueMs = due > now ? due - now : await this.#runDue(name, definition, due, now);
      pauseMs = Math.min(pauseMs, untilDueMs);
    }
    return Math.max(pauseMs, 0);
  }

  async #declareLost(schedule: TimedSchedule, now: number): Promise<void> {
    const { connection, keys } = this.#context;
    const call = declarationOf(schedule, keys, now, true);
    if ((await runScript(connection.client, call)) !== 1) return;
    this.#listener.warned(
      `queue '${keys.queue}' had lost the schedule '${schedule.name}', as when somebody deletes it by hand. It was declared again`,
    );
  }

  /** @returns the time until the schedule is to be looked at again, ms */
  async #runDue(name: string, text: string, due: number, now: number): Promise<number> {
    const plan = this.#planOf(name, text);
    if (!plan) return LOOK_INTERVAL_MS;
    const { definition, occurrences } = plan;
    const { events, next } = occurrencesToSend(definition.missed, occurrences, due, now);
    const { keys, connection } = this.#context;
    const call = scripts.runSchedule(keys, {
      name,
      definition: text,
      due,
      nextDue: next ?? 0,
      events: events.map((time) => ({
        event: eventOf(keys.queue, name, definition, time),
        headers: JSON.stringify({ [SCHEDULED_AT]: new Date(time).toISOString() }),
      })),
    });
    const answer = (await runScript(connection.client, call)) as number;
    if (answer < 0) return -answer;
    if (answer === 1) {
      this.#context.rates.countStored(events.length);
      if (definition.missed !== 'all') this.#tellMissed(name, due, events[0], now);
    }
    return next === undefined ? LOOK_INTERVAL_MS : Math.max(next - now, 0);
  }

  /** Nothing that was left out is silent. */
  #tellMissed(name: string, due: number, sent: number | undefined, now: number): void {
    if (sent === due) return;
    const what = sent === undefined ? 'no event was sent' : 'an event was sent for the latest';
    this.#listener.warned(
      `queue '${this.#context.keys.queue}': the schedule '${name}' has missed its times from ${isoOf(due)} to ${isoOf(sent ?? now)}, ${what}`,
    );
  }

  /** Returns `undefined` for a definition that cannot be read: a later version or somebody has written it. */
  #planOf(name: string, text: string): Plan | undefined {
    if (!this.#plans.has(text)) this.#plans.set(text, this.#readPlan(name, text));
    return this.#plans.get(text);
  }

  #readPlan(name: string, text: string): Plan | undefined {
    try {
      const definition = readDefinition(text);
      if (!definition) throw new Error(`this version does not know ${formatValue(text)}`);
      const occurrences = (this.#readCron as ReadCron)(definition.cron, definition.timezone);
      return { definition, occurrences };
    } catch (error) {
      const { queue } = this.#context.keys;
      const why = messageOf(error);
      this.#listener.warned(
        `queue '${queue}': the schedule '${name}' cannot be read, and does not run: ${why}`,
      );
      return undefined;
    }
  }
}

/** A schedule that this process has declared, with its times. */
interface TimedSchedule extends DeclaredSchedule {
  readonly occurrences: Occurrences;
}

/** @throws {InvalidOptionError} when croner refuses the expression or the time zone */
function withTimes(schedule: DeclaredSchedule, readCron: ReadCron): TimedSchedule {
  const { name, definition } = schedule;
  try {
    return { ...schedule, occurrences: readCron(definition.cron, definition.timezone) };
  } catch (error) {
    throw new InvalidOptionError(`the schedule ${formatValue(name)}: ${messageOf(error)}`, { cause: error });
  }
}

/** @param isLost whether it had been declared before, and stays away when somebody has removed it */
function declarationOf(
  { name, definition, occurrences }: TimedSchedule,
  keys: QueueKeys,
  now: number,
  isLost: boolean,
): ScriptCall {
  const nextDue = occurrences.after(now) ?? 0;
  return scripts.declareSchedule(keys, { name, definition: JSON.stringify(definition), nextDue, isLost });
}

/** Chooses what is sent for a schedule that is due, and the occurrence that it waits for then. */
export function occurrencesToSend(
  missed: Definition['missed'],
  occurrences: Occurrences,
  due: number,
  now: number,
): { events: number[]; next: number | undefined } {
  if (missed === 'all') {
    const events = [due];
    let next = occurrences.after(due);
    while (next !== undefined && next <= now && events.length < OCCURRENCES_PER_CALL) {
      events.push(next);
      next = occurrences.after(next);
    }
    return { events, next };
  }
  const latest = Math.max(occurrences.upTo(now) ?? due, due);
  const isSent = missed === 'one' || now - latest <= MISSED_AFTER_MS;
  return { events: isSent ? [latest] : [], next: occurrences.after(now) };
}

/** The event of an occurrence has the same uuid whoever makes it. */
function eventOf(queue: string, name: string, { action, payload }: Definition, time: number): string {
  const digest = createHash('sha256')
    .update(JSON.stringify([queue, name, time]))
    .digest('hex');
  const uuid = BigInt(`0x${digest.slice(0, 32)}`);
  return encodeEvent(new ServiceEvent(MAX_TIMEOUT_SECONDS, action, payload, uuid.toString()));
}

function isoOf(time: number): string {
  return new Date(time).toISOString();
}
