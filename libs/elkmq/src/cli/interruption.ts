import { EXIT, type ExitCode } from './exit.js';
import { note } from './output.js';

/** A signal has ended the command. */
class InterruptedError extends Error {}

/**
 * Runs a command that has to clear away what it leaves in Redis, also when Ctrl-C or SIGTERM ends it. A
 * second signal ends the process at once.
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
    reject(new InterruptedError(`ended by ${signal}`));
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  try {
    return await run(interrupted);
  } catch (error) {
    if (!(error instanceof InterruptedError)) throw error;
    note(`elkmq: ${error.message}`);
    return EXIT.finding;
  } finally {
    stop();
  }
}
