import { interruption, runCommand, UsageError, writeJson } from '../scripts/command-line.js';
import { writeCharts } from './charts.js';
import { parseOptions, type Options } from './options.js';
import { describeStart, makeReport, type Report, type Skipped } from './report.js';
import { takeTurns, type Participant, type Turn } from './rounds.js';
import { formatReport, whole } from './table.js';
import { loadTransport, transportNames } from './transports/index.js';

/** Compares the transports: starts their brokers, has them measured in turns, prints the table. */

async function main(): Promise<boolean> {
  const options = parseOptions(process.argv.slice(2));
  const interrupt = interruption();
  const participants: Participant[] = [];
  try {
    const report = await bench(options, participants, interrupt);
    console.log(`\n${formatReport(report)}`);
    writeJson(options.jsonFile, report);
    if (options.chartFolder !== undefined) writeCharts(options.chartFolder, report);
    return true;
  } finally {
    await Promise.allSettled(participants.map(({ broker }) => broker.stop()));
  }
}

/** Adds to `participants` what it has started a broker for, so that these are stopped whatever happens here. */
async function bench(options: Options, participants: Participant[], interrupt: AbortSignal): Promise<Report> {
  const { settings } = options;
  const start = describeStart();
  const skipped = await startBrokers(options, participants);
  const turns: Turn[] = [];
  sayProgress(`req/s at ${settings.levels.join(', ')} in flight`);
  for await (const turn of takeTurns(participants, settings, interrupt)) {
    const figures = turn.measurements.map(({ requestsPerSecond }) => whole(requestsPerSecond).padStart(8));
    const { title } = turn.participant.transport;
    sayProgress(`round ${turn.round + 1} of ${settings.rounds}  ${title.padEnd(12)}${figures.join('')}`);
    turns.push(turn);
  }
  return makeReport(start, settings, skipped, participants, turns);
}

/** Where it does not mix with the result, which may go into a file. */
function sayProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function startBrokers({ only }: Options, participants: Participant[]): Promise<Skipped[]> {
  const skipped: Skipped[] = [];
  for (const name of only ?? transportNames) {
    const transport = await loadTransport(name);
    const missing = transport.missing();
    if (missing === undefined) participants.push({ name, transport, broker: await transport.startBroker() });
    else if (only === undefined) skipped.push({ transport: name, missing });
    else throw new UsageError(`--only ${name}: ${missing} is not installed`);
  }
  if (participants.length === 0) throw new Error('there is nothing to run: no broker is installed');
  return skipped;
}

await runCommand(main);
