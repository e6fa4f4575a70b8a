import { interruption, runCommand, UsageError, writeJson } from '../scripts/command-line.js';
import { drawCharts } from './charts.js';
import { NotHereError } from './not-here.js';
import { parseOptions, type Options } from './options.js';
import { describeStart, makeReport, type FailedTransport, type Report, type Skipped } from './report.js';
import type { Participant } from './processes.js';
import { expectedMs, takeTurns, type Turn } from './rounds.js';
import { writeCharts } from './svg.js';
import { countCalls, formatCalls } from './strace.js';
import { whyNoSystemCalls } from './system-calls.js';
import { describeSurroundings, makeSurroundings, type Surroundings } from './surroundings.js';
import { formatReport } from './table.js';
import type { BenchTransport } from './transports/bench-transport.js';
import { loadTransport } from './transports/index.js';

/** Compares the transports: starts their brokers, has them measured in turns, prints the table. */

async function main(): Promise<boolean> {
  const options = parseOptions(process.argv.slice(2));
  // As services run; the processes that are measured inherit it.
  process.env['NODE_ENV'] = 'production';
  const interrupt = interruption();
  try {
    return await runIn(options, interrupt);
  } catch (error) {
    if (!(error instanceof NotHereError)) throw error;
    sayProgress(error.message);
    return true;
  }
}

/** @returns whether nothing has failed */
async function runIn(options: Options, interrupt: AbortSignal): Promise<boolean> {
  const why = options.isStrace ? whyNoSystemCalls() : undefined;
  if (why !== undefined) throw new NotHereError(`System calls are not counted: ${why}`);
  const surroundings = await makeSurroundings(options.wanted);
  const run = { options, surroundings, interrupt, participants: [] };
  try {
    return await (options.isStrace ? strace(run) : bench(run));
  } finally {
    await Promise.allSettled(run.participants.map(({ broker }: Participant) => broker.stop()));
    await surroundings.remove();
  }
}

interface Run {
  readonly options: Options;
  readonly surroundings: Surroundings;
  readonly interrupt: AbortSignal;
  /** What a broker was started for, so that it is stopped whatever happens. */
  readonly participants: Participant[];
}

async function bench(run: Run): Promise<boolean> {
  const { jsonFile, chartFolder } = run.options;
  const report = await measure(run);
  console.log(`\n${formatReport(report)}`);
  writeJson(jsonFile, report);
  if (chartFolder !== undefined) writeCharts(chartFolder, drawCharts(report));
  return report.failed.length === 0;
}

async function measure(run: Run): Promise<Report> {
  const { options, participants, surroundings, interrupt } = run;
  const { settings, conditions, wanted } = options;
  const start = describeStart();
  const absent = await startBrokers(run);
  const turns: Turn[] = [];
  const { rounds, levels } = settings;
  const minutes = Math.ceil(expectedMs(participants.length, settings, conditions.processes) / 60_000);
  sayProgress(`req/s at ${levels.join(', ')} in flight and events, ${rounds} rounds: about ${minutes} min`);
  for await (const turn of takeTurns(participants, { ...surroundings, settings, conditions }, interrupt)) {
    if ('reason' in turn) {
      const { participant, ...failure } = turn;
      absent.failed.push({ transport: participant.name, ...failure });
      sayProgress(`${participant.name} failed: ${turn.reason}`);
      continue;
    }
    if (turns.at(-1)?.round !== turn.round) sayProgress(`round ${turn.round + 1} of ${rounds}`);
    turns.push(turn);
  }
  const described = describeSurroundings(wanted, conditions);
  return makeReport(start, settings, described, absent, participants, turns, await notesOf(participants));
}

async function notesOf(participants: readonly Participant[]): Promise<string[]> {
  const notes = participants.map(async ({ transport, broker }) =>
    ((await broker.notes?.()) ?? []).map((note) => `${transport.title}: ${note}`),
  );
  return (await Promise.all(notes)).flat();
}

async function strace(run: Run): Promise<boolean> {
  const { options, participants, surroundings, interrupt } = run;
  const { failed } = await startBrokers(run);
  const report = await countCalls(participants, { ...surroundings, ...options }, interrupt);
  console.log(`\n${formatCalls(report)}`);
  writeJson(options.jsonFile, report);
  return failed.length === 0;
}

/** Where it does not mix with the result, which may go into a file. */
function sayProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function startBrokers({
  options,
  participants,
  surroundings,
  interrupt,
}: Run): Promise<{ skipped: Skipped[]; failed: FailedTransport[] }> {
  const { names, only } = options;
  const skipped: Skipped[] = [];
  const failed: FailedTransport[] = [];
  for (const name of only ?? names) {
    interrupt.throwIfAborted();
    const transport = await loadTransport(name);
    const reason = transport.missing() ?? whyNot(transport, options);
    if (reason !== undefined) {
      if (only !== undefined) throw new UsageError(`--only ${name}: ${reason}`);
      skipped.push({ transport: name, reason });
      sayProgress(`${name}: skipped, ${reason}`);
      continue;
    }
    try {
      const broker = await transport.startBroker(surroundings.addresses);
      participants.push({ name, transport: measurable(transport, options), broker });
    } catch (error) {
      const reason = (error as Error).message;
      failed.push({ transport: name, reason });
      sayProgress(`${name}: failed, ${reason}`);
    }
  }
  return { skipped, failed };
}

/** With handlers that wait the rate of events would be that of waiting, and to handle them all would take minutes. */
function measurable(transport: BenchTransport, { conditions }: Options): BenchTransport {
  return conditions.handlerMs > 0 ? { ...transport, carries: 'requests' } : transport;
}

/** Why a transport cannot take part under the conditions of the run. */
function whyNot(transport: BenchTransport, { conditions, wanted }: Options): string | undefined {
  if (wanted.tls && transport.speaksTls !== true) return 'the benchmark has no TLS for it';
  if (conditions.processes > 1 && transport.shares !== true) return 'its workers do not share the messages';
  if (conditions.handlerMs > 0 && transport.waits === false) return 'its handlers cannot wait';
  return undefined;
}

await runCommand(main);
