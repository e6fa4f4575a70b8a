import { interruption, runCommand, UsageError, writeJson } from '../scripts/command-line.js';
import { drawCharts } from './charts.js';
import { parseOptions, type Options } from './options.js';
import { describeStart, makeReport, type FailedTransport, type Report, type Skipped } from './report.js';
import { takeTurns, type Participant, type Turn } from './rounds.js';
import { writeCharts } from './svg.js';
import { formatReport, whole } from './table.js';
import { loadTransport, transportNames } from './transports/index.js';

/** Compares the transports: starts their brokers, has them measured in turns, prints the table. */

async function main(): Promise<boolean> {
  const options = parseOptions(process.argv.slice(2));
  // As services run; the processes that are measured inherit it.
  process.env['NODE_ENV'] = 'production';
  const interrupt = interruption();
  const participants: Participant[] = [];
  try {
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
  sayProgress(`req/s at ${settings.levels.join(', ')} in flight`);
  for await (const turn of takeTurns(participants, settings, interrupt)) {
    const { name, transport } = turn.participant;
    const place = `round ${turn.round + 1} of ${settings.rounds}  ${transport.title.padEnd(13)}`;
    if ('reason' in turn) {
      absent.failed.push({ transport: name, round: turn.round, reason: turn.reason });
      sayProgress(`${place} failed: ${turn.reason}`);
      continue;
    }
    const figures = turn.measurements.map(({ requestsPerSecond }) => whole(requestsPerSecond).padStart(8));
    sayProgress(place + figures.join(''));
    turns.push(turn);
  }
  return makeReport(start, settings, absent, participants, turns);
}

/** Where it does not mix with the result, which may go into a file. */
function sayProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function startBrokers(
  { only }: Options,
  participants: Participant[],
  interrupt: AbortSignal,
): Promise<{ skipped: Skipped[]; failed: FailedTransport[] }> {
  const skipped: Skipped[] = [];
  const failed: FailedTransport[] = [];
  for (const name of only ?? transportNames) {
    interrupt.throwIfAborted();
    const transport = await loadTransport(name);
    const missing = transport.missing();
    if (missing !== undefined) {
      if (only !== undefined) throw new UsageError(`--only ${name}: ${missing} is not installed`);
      skipped.push({ transport: name, missing });
      sayProgress(`${name}: skipped, ${missing} is not installed`);
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
