import { accessSync, constants, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { parseArgs, type ParseArgsConfig } from 'node:util';

/** What the commands of this project have in common: flags that are checked, results in a file, exit codes. */

/** A flag that cannot be followed; the message says which are accepted. */
export class UsageError extends Error {}

/** The command was stopped before it had come to its end; nothing is wrong. */
export class Interrupted extends Error {}

type Flags = NonNullable<ParseArgsConfig['options']>;

/** The flags of a command, and how to refuse what does not fit them. */
export class CommandLine<const Accepted extends Flags> {
  readonly flags: ReturnType<typeof parseArgs<{ args: string[]; options: Accepted }>>['values'];

  /** @throws {UsageError} */
  constructor(
    args: string[],
    accepted: Accepted,
    private readonly usage: string,
  ) {
    try {
      this.flags = parseArgs({ args, options: accepted }).values;
    } catch (error) {
      this.refuse((error as Error).message);
    }
  }

  refuse(problem: string): never {
    throw new UsageError(`${problem}\n\n${this.usage}`);
  }

  wholeNumber(flag: string, text: string, least: number, most: number): number {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= least && value <= most) return value;
    return this.refuse(
      `--${flag} ${JSON.stringify(text)}: a whole number from ${least} to ${most} is expected`,
    );
  }

  number(flag: string, text: string, least: number, most: number): number {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most) return value;
    return this.refuse(`--${flag} ${JSON.stringify(text)}: a number from ${least} to ${most} is expected`);
  }

  /** Checked before the run, which would be a pity to lose at its end. */
  outputFile(flag: string, file: string | undefined): string | undefined {
    if (file === undefined) return undefined;
    try {
      accessSync(dirname(resolve(file)), constants.W_OK);
    } catch {
      this.refuse(`--${flag} ${JSON.stringify(file)}: its folder cannot be written to`);
    }
    return resolve(file);
  }
}

export function writeJson(file: string | undefined, result: unknown): void {
  if (file !== undefined) writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`);
}

/** Aborted by the first signal to stop, so that a command can end what it has started. */
export function interruption(): AbortSignal {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => interrupt.abort(new Interrupted(`stopped by ${signal}`)));
  }
  return interrupt.signal;
}

/** Runs a command. Its exit code: 0 when `main` answers that all is well, 1 when not, 2 when it was called wrongly. */
export async function runCommand(main: () => Promise<boolean>): Promise<void> {
  try {
    if (!(await main())) process.exitCode = 1;
  } catch (error) {
    const isExpected = error instanceof UsageError || error instanceof Interrupted;
    console.error(isExpected ? error.message : error);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
