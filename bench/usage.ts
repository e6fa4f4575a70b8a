import { readdirSync, readFileSync } from 'node:fs';
import type { Broker, Traffic } from './transports/bench-transport.js';

/** What one message costs. */
export interface Usage {
  /** CPU, µs; absent where the system does not tell, or there is no broker. */
  readonly clientCpu?: number;
  readonly workerCpu?: number;
  readonly brokerCpu?: number;
  /** At the broker, where it counts them. */
  readonly commands?: number;
  readonly bytesIn?: number;
  readonly bytesOut?: number;
}

/** Of client, worker and broker, where both ends are known. */
export function totalCpu({ clientCpu, workerCpu, brokerCpu }: Usage): number | undefined {
  if (clientCpu === undefined || workerCpu === undefined) return undefined;
  return clientCpu + workerCpu + (brokerCpu ?? 0);
}

/** Linux counts in these, whatever the hardware does. */
const TICK_US = 10_000;

/** The CPU that a process has used, µs. */
export function cpuOf(pid: number | undefined): number | undefined {
  return pid === undefined ? undefined : (cpuOfThreads(pid) ?? cpuInTicks(pid));
}

/** Nothing of no process, or when one of them is unknown. */
function cpuOfAll(pids: readonly number[]): number | undefined {
  const times = pids.flatMap((pid) => cpuOf(pid) ?? []);
  if (pids.length === 0 || times.length < pids.length) return undefined;
  return times.reduce((sum, time) => sum + time, 0);
}

/** To the microsecond, where the kernel keeps it. A short turn is a few ticks long. */
function cpuOfThreads(pid: number): number | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    const times = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8'));
    return times.reduce((sum, time) => sum + Number(time.split(' ')[0]), 0) / 1_000;
  } catch {
    return undefined;
  }
}

function cpuInTicks(pid: number): number | undefined {
  try {
    // The name, in brackets, can hold blanks.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_US;
  } catch {
    return undefined;
  }
}

/** Reads what was used between its making and `perMessage`. */
export class UsageMeter {
  private constructor(
    /** Of the clients, of the workers, of the broker. */
    private readonly pids: readonly (readonly number[])[],
    private readonly broker: Broker,
    private readonly cpu: readonly (number | undefined)[],
    private readonly traffic: Traffic | undefined,
  ) {}

  static async start(
    clients: readonly number[],
    workers: readonly number[],
    broker: Broker,
  ): Promise<UsageMeter> {
    const pids = [clients, workers, broker.pid === undefined ? [] : [broker.pid]];
    return new UsageMeter(pids, broker, pids.map(cpuOfAll), await broker.traffic?.());
  }

  async perMessage(messages: number): Promise<Usage> {
    const traffic = await this.broker.traffic?.();
    const [clientCpu, workerCpu, brokerCpu] = this.pids.map((group, place) =>
      difference(cpuOfAll(group), this.cpu[place], messages),
    );
    const usage = {
      clientCpu,
      workerCpu,
      brokerCpu,
      commands: difference(traffic?.commands, this.traffic?.commands, messages),
      bytesIn: difference(traffic?.bytesIn, this.traffic?.bytesIn, messages),
      bytesOut: difference(traffic?.bytesOut, this.traffic?.bytesOut, messages),
    };
    return Object.fromEntries(Object.entries(usage).filter(([, value]) => value !== undefined));
  }
}

function difference(now: number | undefined, then: number | undefined, messages: number): number | undefined {
  return now === undefined || then === undefined ? undefined : (now - then) / messages;
}
