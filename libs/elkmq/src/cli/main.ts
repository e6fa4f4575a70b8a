#!/usr/bin/env node
import { runCommandLine } from './program.js';

// `elkmq tail orders | head` closes the pipe.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

process.exitCode = await runCommandLine(process.argv.slice(2));
// All is written by then. A connection that was about to be made would keep the process for some seconds.
process.stdout.write('', () => process.stderr.write('', () => process.exit()));
