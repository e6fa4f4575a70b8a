import { PAUSE } from '../../model/features.js';
import { describePause } from '../../admin/queue-pause.js';
import { EXIT, type ExitCode } from '../exit.js';
import { note, printJson, safeText } from '../output.js';
import { withAdmin, type CommonOptions } from '../session.js';

export interface PauseOptions extends CommonOptions {
  readonly by?: string;
}

/** Pauses a queue, and names the workers that know no pauses. */
export async function pause(queue: string, options: PauseOptions): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const paused = await admin.pause(options.by);
    const unaware = (await admin.workers()).filter(({ features }) => !features.includes(PAUSE));
    if (options.json) printJson({ queue, paused, unaware: unaware.map(({ name }) => name) });
    else note(`The queue ${safeText(describePause(paused))}.`);
    for (const { host, pid, version } of unaware)
      note(
        `The worker on ${safeText(host)}, pid ${String(pid)}, has version ${safeText(version)}: it knows no pauses, and goes on.`,
      );
    return EXIT.fine;
  });
}

/** Ends the pause of a queue. */
export async function resume(queue: string, options: CommonOptions): Promise<ExitCode> {
  return withAdmin(queue, options, async (admin) => {
    const wasPaused = await admin.resume();
    if (options.json) printJson({ queue, wasPaused });
    else note(wasPaused ? 'The queue goes on.' : 'The queue was not paused.');
    return EXIT.fine;
  });
}
