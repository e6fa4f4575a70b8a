import { interruption, runCommand, UsageError, writeJson } from '../scripts/command-line.js';
import { drawCharts } from './charts.js';
import { parseOptions, type Options } from './options.js';
import { describeStart, makeReport, type FailedTransport, type Report, type Skipped } from './report.js';
import type { Participant } from './pair.js';
import { expectedMs, takeTurns, type Turn } from './rounds.js';
import { writeCharts } from './svg.js';
import { countCalls, formatCalls } from './strace.js';
import { whyNoSystemCalls } from './system-calls.js';
import { formatReport } from './table.js';
import { loadTransport } from './transports/index.js';

/** Compares the transports: starts their brokers, has them measured in turns, prints the table. */

async function main(): Promise<boolean> {
  const options = parseOptions(process.argv.slice(2));
  // As services run; the processes that are measured inherit it.
  process.env['NODE_ENV'] = 'production';
  const interrupt = interruption();
  const participants: Participant[] = [];
  try {
    if (options.isStrace) return await strace(options, participants, interrupt);
    const report = await bench(options, participants, interrupt);
    console.log(`\n${formatReport(report)}`);
    writeJson(options.jsonFile, report);
    if (options.chartFolder !== undefined) writeCharts(options.chartFolder, drawCharts(report));
    return report.failed.length === 0;
  } finally {
    await Promise.allSettled(participants.map(({ broker }) => broker.stop()));
  }
}

/** Adds to `participants` what it has started a broker for, so that these are stopped whatever happens here. */
async function bench(options: Options, participants: Participant[], interrupt: AbortSignal): Promise<Report> {
  const { settings } = options;
  const start = describeStart();
  const absent = await startBrokers(options, participants, interrupt);
  const turns: Turn[] = [];
  const { rounds, levels } = settings;
  const minutes = Math.ceil(expectedMs(participants.length, settings) / 60_000);
  sayProgress(`req/s at ${levels.join(', ')} in flight and events, ${rounds} rounds: about ${minutes} min`);
  for await (const turn of takeTurns(participants, settings, interrupt)) {
    if ('reason' in turn) {
      const { participant, ...failure } = turn;
      absent.failed.push({ transport: participant.name, ...failure });
      sayProgress(`${participant.name} failed: ${turn.reason}`);
      continue;
    }
    if (turns.at(-1)?.round !== turn.round) sayProgress(`round ${turn.round + 1} of ${rounds}`);
    turns.push(turn);
  }
  const notes = await Promise.all(
    participants.map(async ({ transport, broker }) =>
      ((await broker.notes?.()) ?? []).map((note) => `${transport.title}: ${note}`),
    ),
  );
  return makeReport(start, settings, absent, participants, turns, notes.flat());
}

/** @returns whether nothing has failed, also when this machine cannot do it */
async function strace(
  options: Options,
  participants: Participant[],
  interrupt: AbortSignal,
): Promise<boolean> {
  const reason = whyNoSystemCalls();
  if (reason !== undefined) {
    sayProgress(`System calls are not counted: ${reason}`);
    return true;
  }
  const { failed } = await startBrokers(options, participants, interrupt);
  const report = await countCalls(participants, options, interrupt);
  console.log(`\n${formatCalls(report)}`);
  writeJson(options.jsonFile, report);
  return failed.length === 0;
}

/** Where it does not mix with the result, which may go into a file. */
function sayProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function startBrokers(
  { names, only }: Options,
  participants: Participant[],
  interrupt: AbortSignal,
): Promise<{ skipped: Skipped[]; failed: FailedTransport[] }> {
  const skipped: Skipped[] = [];
  const failed: FailedTransport[] = [];
  for (const name of only ?? names) {
    interrupt.throwIfAborted();
    const transport = await loadTransport(name);
    const missing = transport.missing();
    if (missing !== undefined) {
      if (only !== undefined) throw new UsageError(`--only ${name}: ${missing}`);
      skipped.push({ transport: name, reason: missing });
      sayProgress(`${name}: skipped, ${missing}`);
      continue;
    }
    try {
      participants.push({ name, transport, broker: await transport.startBroker() });
    } catch (error) {
      const reason = (error as Error).message;
      failed.push({ transport: name, reason });
      sayProgress(`${name}: failed, ${reason}`);
    }
  }
  return { skipped, failed };
}

await runCommand(main);
