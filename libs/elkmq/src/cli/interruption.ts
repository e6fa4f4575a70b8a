import { EXIT, type ExitCode } from './exit.js';
import { note } from './output.js';

/** A signal has ended the command, or nobody reads its output any more. */
class InterruptedError extends Error {
  constructor(
    message: string,
    readonly exitCode: ExitCode,
  ) {
    super(message);
  }
}

/** Ends the command that runs now, if it has to clear away what it leaves. */
let endRunning: ((error: InterruptedError) => void) | undefined;

/**
 * Ends the command that runs now, because its output cannot be written.
 * @returns false when no command runs that has something to clear away
 */
export function endForLostOutput(exitCode: ExitCode): boolean {
  if (!endRunning) return false;
  endRunning(new InterruptedError('the output cannot be written', exitCode));
  return true;
}

/**
 * Runs a command that has to clear away what it leaves in Redis, also when Ctrl-C or SIGTERM ends it. A
 * second signal ends the process at once. It ends as well when its output cannot be written.
 * @param run gets a promise that rejects at the first signal
 */
export async function untilSignal(
  run: (interrupted: Promise<never>) => Promise<ExitCode>,
): Promise<ExitCode> {
  let reject: (error: Error) => void = () => undefined;
  const interrupted = new Promise<never>((_, rejected) => {
    reject = rejected;
  });
  // Nobody may look at it when the signal comes.
  interrupted.catch(() => undefined);
  const stop = (): void => {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  };
  const interrupt = (signal: NodeJS.Signals): void => {
    stop();
    reject(new InterruptedError(`ended by ${signal}`, EXIT.finding));
  };
  endRunning = reject;
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    return await run(interrupted);
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    note(`elkmq: ${error.message}`);
    return error.exitCode;
  } finally {
    endRunning = undefined;
    stop();
  }
}
