import { describeLimits, type QueueLimits } from '../../admin/queue-limits.js';
import { LIMITS } from '../../model/features.js';
import { EXIT, UsageError, type ExitCode } from '../exit.js';
import { note, printJson, safeText } from '../output.js';
import { withAdmin, type CommonOptions } from '../session.js';

export interface LimitsOptions extends CommonOptions {
  readonly concurrency?: number;
  readonly rate?: number;
  /** ms */
  readonly per?: number;
  readonly clear?: boolean;
}

const DEFAULT_PER_MS = 1_000;

/** Shows the limits of a queue, or sets them, and names the workers that keep none. */
export async function limits(queue: string, options: LimitsOptions): Promise<ExitCode> {
  const wanted = wantedLimits(options);
  return withAdmin(queue, options, async (admin) => {
    const now = wanted ? await admin.setLimits(wanted) : ((await admin.state()).limits ?? {});
    const isLimited = now.concurrency !== undefined || now.rate !== undefined;
    const unaware = isLimited
      ? (await admin.workers()).filter(({ features }) => !features.includes(LIMITS))
      : [];
    if (options.json) printJson({ queue, limits: now, unaware: unaware.map(({ name }) => name) });
    else note(isLimited ? `The queue has limits: ${describeLimits(now)}.` : 'The queue has no limits.');
    for (const { host, pid, version } of unaware)
      note(
        `The worker on ${safeText(host)}, pid ${String(pid)}, has version ${safeText(version)}: it keeps no limits.`,
      );
    return EXIT.fine;
  });
}

/** The limits to set; `undefined` when they are only to be shown. */
function wantedLimits({ concurrency, rate, per, clear = false }: LimitsOptions): QueueLimits | undefined {
  const isSet = concurrency !== undefined || rate !== undefined;
  if (clear && (isSet || per !== undefined)) throw new UsageError('--clear goes with no other limit');
  if (per !== undefined && rate === undefined)
    throw new UsageError('--per is the time of --rate, which is missing');
  if (clear) return {};
  if (!isSet) return undefined;
  return {
    ...(concurrency !== undefined && { concurrency }),
    ...(rate !== undefined && { rate: { limit: rate, per: per ?? DEFAULT_PER_MS } }),
  };
}
