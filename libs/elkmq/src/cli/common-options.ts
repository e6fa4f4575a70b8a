import { Option, type Command } from 'commander';
import type { ExitCode } from './exit.js';
import { collectText, formatDuration, parseDuration, parseText } from './values.js';

/** Runs a command, and keeps its exit code. */
export type Run = (command: Promise<ExitCode>) => Promise<void>;

/**
 * Declares a command with the options that every command has. No argument but a payload may be empty.
 * @param usage its name and its arguments
 * @param example the arguments of an example, without `elkmq`
 */
export function declare(parent: Command, usage: string, description: string, example: string): Command {
  const url = new Option('--url <url>', 'the URL of Redis').env('ELKMQ_URL');
  const command = parent.command(usage);
  for (const argument of command.registeredArguments) {
    if (argument.name() === 'payload') continue;
    if (argument.variadic) argument.argParser(collectText);
    else argument.argParser(parseText);
  }
  return command
    .description(description)
    .addOption(url.default('redis://127.0.0.1:6379'))
    .option('--cluster', 'the URL is that of a node of a Redis Cluster')
    .addOption(durationOption('--patience <duration>', 'how long Redis may take for one call', 5_000))
    .option('--json', 'write JSON')
    .addHelpText('after', `\nExample:\n  $ elkmq ${example}`);
}

/** Declares a command that changes or deletes what is there. */
export function declareChange(parent: Command, usage: string, description: string, example: string): Command {
  return declare(parent, usage, description, example)
    .option('--dry-run', 'only tell how many messages would be changed')
    .option('--yes', 'do it; without it the command tells how many, and changes nothing');
}

/** @param fallbackMs its default, ms */
export function durationOption(flags: string, description: string, fallbackMs: number): Option {
  return new Option(flags, description)
    .argParser(parseDuration)
    .default(fallbackMs, formatDuration(fallbackMs));
}
