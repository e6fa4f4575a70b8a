#!/usr/bin/env node
import { EXIT } from './exit.js';
import { endForLostOutput } from './interruption.js';
import { runCommandLine } from './program.js';

// `elkmq tail orders | head` closes the pipe. A command that has something to clear away does so first.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  const code = error.code === 'EPIPE' ? EXIT.fine : EXIT.finding;
  if (!endForLostOutput(code)) process.exit(code);
});
// Nobody reads the notes any more. The result is on standard output, so the command goes on.
process.stderr.on('error', () => undefined);

process.exitCode = await runCommandLine(process.argv.slice(2));
// All is written by then. A connection that was about to be made would keep the process for some seconds.
process.stdout.write('', () => process.stderr.write('', () => process.exit()));
