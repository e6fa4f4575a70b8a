import { Processes, type Participant, type Setup } from './processes.js';
import { describeStart, type Start } from './report.js';
import { SystemCallMeter, type SystemCalls } from './system-calls.js';
import type { TransportName } from './transports/index.js';

/** A run of its own that counts the system calls for each message: strace changes all other figures. */

interface CallsOfLevel {
  readonly transport: TransportName;
  readonly title: string;
  readonly inFlight: number;
  readonly messages: number;
  /** For one message. */
  readonly client: SystemCalls;
  readonly worker: SystemCalls;
}

export interface CallReport extends Start {
  readonly node: string;
  readonly levels: readonly CallsOfLevel[];
}

/** Calls that are made less often for a message are summed up as "others". */
const LEAST_SHOWN = 0.05;

export async function countCalls(
  participants: readonly Participant[],
  setup: Setup,
  interrupt: AbortSignal,
): Promise<CallReport> {
  const start = describeStart();
  const levels: CallsOfLevel[] = [];
  for (const participant of participants) {
    const processes = await Processes.start(participant, setup, interrupt);
    try {
      for (const inFlight of setup.settings.levels)
        levels.push(await callsOf(participant, processes, inFlight, interrupt));
    } finally {
      await processes.end();
    }
  }
  return { ...start, node: process.versions.node, levels };
}

async function callsOf(
  { name, transport }: Participant,
  processes: Processes,
  inFlight: number,
  interrupt: AbortSignal,
): Promise<CallsOfLevel> {
  interrupt.throwIfAborted();
  const { clients, workers } = processes.pids;
  const ofClients = await SystemCallMeter.attach(clients);
  const ofWorkers = await SystemCallMeter.attach(workers);
  const { total } = await processes.measureLevel(inFlight);
  const perMessage = (calls: SystemCalls): SystemCalls =>
    Object.fromEntries(Object.entries(calls).map(([call, count]) => [call, count / total]));
  return {
    transport: name,
    title: transport.title,
    inFlight,
    messages: total,
    client: perMessage(await ofClients.stop()),
    worker: perMessage(await ofWorkers.stop()),
  };
}

export function formatCalls({ levels, node, machine }: CallReport): string {
  const lines = levels.flatMap(({ title, inFlight, messages, client, worker }) => [
    `${title}, ${inFlight} in flight, ${messages} requests`,
    `  client  ${describeCalls(client)}`,
    `  worker  ${describeCalls(worker)}`,
  ]);
  return [
    'System calls for each request, counted by strace, which makes the processes slower: so batches are larger than without it',
    `${machine.cpu}, ${machine.cores} cores, Node ${node}`,
    '',
    ...lines,
  ].join('\n');
}

function describeCalls(calls: SystemCalls): string {
  const sorted = Object.entries(calls).sort(([, one], [, other]) => other - one);
  const shown = sorted.filter(([, count]) => count >= LEAST_SHOWN);
  const sum = (entries: readonly [string, number][]) =>
    entries.reduce((total, [, count]) => total + count, 0);
  const others = sum(sorted) - sum(shown);
  const parts = [...shown, ...(others > 0 ? [['others', others] as const] : [])];
  return [
    `${sum(sorted).toFixed(2)}:`,
    parts.map(([call, count]) => `${call} ${count.toFixed(2)}`).join(', '),
  ].join(' ');
}
