import { describeLimits } from '../../admin/queue-limits.js';
import { describeAway } from '../../admin/partitioned-state.js';
import { describePause } from '../../admin/queue-pause.js';
import type { QueueState } from '../../admin/queue-state.js';
import { EXIT, type ExitCode } from '../exit.js';
import { note, print, printJson, printTable, safeText, shortText } from '../output.js';
import { withAdmin, type CommonOptions } from '../session.js';
import { formatDuration, formatTime } from '../values.js';

/** The limits of `state`. A queue beyond one of them is a finding. */
export interface StateOptions extends CommonOptions {
  readonly maxWaiting?: number;
  readonly maxOldest?: number;
  readonly maxDelayed?: number;
  readonly maxDead?: number;
  readonly minWorkers?: number;
}

export interface WorkersOptions extends CommonOptions {
  readonly min?: number;
}

/** Shows the state of a queue, and compares it with limits. A partition that is away is a finding too. */
export async function state(queue: string, options: StateOptions): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const now = await admin.state();
    const exceeded = exceededLimits(now, options);
    if (options.json) printJson({ queue, ...now, exceeded });
    else {
      print(`waiting       ${String(now.waiting)}`);
      print(`oldest        ${now.waiting === 0 ? '-' : formatDuration(now.oldestWaiting)}`);
      if (now.behindKeys > 0)
        print(`behind keys   ${String(now.behindKeys)} (${String(now.blockedKeys)} keys)`);
      print(`running       ${String(now.running)}`);
      print(`delayed       ${String(now.delayed)}`);
      print(`dead letters  ${String(now.deadLetters)}`);
      print(`workers       ${String(now.workers)}`);
      if (now.partitions !== undefined) print(`partitions    ${String(now.partitions)}`);
      if (now.olderWorkers !== undefined)
        note(`Workers of an earlier version that know no ordering keys: ${String(now.olderWorkers)}.`);
      if (now.moving !== undefined) note(`On their way to another queue: ${String(now.moving)}.`);
      if (now.paused) note(`The queue ${safeText(describePause(now.paused))}.`);
      if (now.waitsFor !== undefined)
        note(`The queue waits for ${safeText(now.waitsFor)}: its workers take nothing until that is empty.`);
      if (now.limits) note(`The queue has limits: ${describeLimits(now.limits)}.`);
      for (const limit of exceeded) note(limit);
    }
    return exceeded.length > 0 ? EXIT.finding : EXIT.fine;
  });
}

function exceededLimits(now: QueueState, options: StateOptions): string[] {
  const { maxWaiting, maxOldest, maxDelayed, maxDead, minWorkers } = options;
  const above = (name: string, value: number, limit: number | undefined): string[] =>
    limit !== undefined && value > limit ? [`${name}: ${String(value)}, more than ${String(limit)}`] : [];
  return [
    ...(now.away ?? []).map(describeAway),
    ...above('waiting', now.waiting, maxWaiting),
    ...above('oldest, ms', now.oldestWaiting, maxOldest),
    ...above('delayed', now.delayed, maxDelayed),
    ...above('dead letters', now.deadLetters, maxDead),
    ...(minWorkers !== undefined && now.workers < minWorkers
      ? [`workers: ${String(now.workers)}, fewer than ${String(minWorkers)}`]
      : []),
  ];
}

/** Lists the workers of a queue. */
export async function workers(queue: string, options: WorkersOptions): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const found = await admin.workers();
    if (options.json) printJson({ queue, workers: found });
    else
      printTable([
        ['HOST', 'PID', 'RUNNING', 'OF', 'SINCE', 'VERSION', 'HANDLERS'],
        ...found.map(({ host, pid, running, concurrency, since, version, handlers }) => [
          shortText(host),
          pid,
          running,
          concurrency,
          formatTime(since),
          safeText(version),
          shortText(handlers.join(', ')),
        ]),
      ]);
    return found.length < (options.min ?? 0) ? EXIT.finding : EXIT.fine;
  });
}
