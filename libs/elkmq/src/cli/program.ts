import { Command, CommanderError } from 'commander';
import { VERSION } from '../model/version.js';
import { addMessageCommands } from './message-commands.js';
import { addQueueCommands } from './queue-commands.js';
import { addTopicCommands } from './topic-commands.js';
import { EXIT, exitCodeOf, type ExitCode } from './exit.js';
import { note, safeText } from './output.js';

const EXIT_CODES = `
Exit codes:
  0  all is well
  1  a limit is exceeded, the doctor has found an error or a warning, what was asked for is not there, a
     request was not answered, or a signal has ended send or bench
  2  the command was not understood, or was not confirmed with --yes
  3  Redis is away, or refuses
  4  an error that nobody has foreseen

The URL of Redis is better in ELKMQ_URL than in --url: others on this machine can read the command.`;

/** Runs a command. @returns its exit code */
export async function runCommandLine(args: readonly string[]): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.fine;
  const run = async (command: Promise<ExitCode>): Promise<void> => {
    exitCode = await command;
  };
  const program = new Command('elkmq')
    .description('Looks at the queues of ElkMQ in Redis, and changes what is in them.')
    .version(VERSION)
    .showHelpAfterError('(add --help for an example)')
    .addHelpText('after', EXIT_CODES)
    .exitOverride();
  addQueueCommands(program, run);
  addTopicCommands(program, run);
  addMessageCommands(program, run);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return exitCode;
  } catch (error) {
    // Commander has written what was wrong.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
    note(`elkmq: ${safeText(error instanceof Error ? error.message : String(error))}`);
    return exitCodeOf(error);
  }
}
