import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { findOnPath } from '../scripts/install-redis.js';

/** How often each system call was made, by its name. */
export type SystemCalls = Readonly<Record<string, number>>;

/** @returns why system calls cannot be counted here; `undefined` when they can */
export function whyNoSystemCalls(): string | undefined {
  return findOnPath('strace') === undefined ? 'strace is not installed' : undefined;
}

/** Has strace count the system calls of processes and of their threads, until `stop`. It makes them several times slower. */
export class SystemCallMeter {
  private constructor(
    private readonly strace: ChildProcess,
    private readonly output: () => string,
  ) {}

  /** @throws an Error with what strace says, when it may not look into the process */
  static async attach(pids: readonly number[]): Promise<SystemCallMeter> {
    const strace = spawn('strace', ['-c', '-f', ...pids.flatMap((pid) => ['-p', String(pid)])], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    const attached = new Promise<void>((resolve, reject) => {
      strace.stderr.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (pids.every((pid) => output.includes(`Process ${pid} attached`))) resolve();
      });
      strace.once('error', reject);
      strace.once('close', () => {
        reject(new Error(`strace cannot look into a process: ${output.trim()}`));
      });
    });
    await attached;
    return new SystemCallMeter(strace, () => output);
  }

  async stop(): Promise<SystemCalls> {
    const closed = once(this.strace, 'close');
    this.strace.kill('SIGINT');
    await closed;
    return parseSummary(this.output());
  }
}

/** Of `strace -c`: a line has the share of time, seconds, µs for each call, calls, errors if there were any, and the name. */
export function parseSummary(output: string): SystemCalls {
  const lines = output.matchAll(/^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z]\w*)$/gm);
  const calls = [...lines].map(([, count, name = '']): [string, number] => [name, Number(count)]);
  return Object.fromEntries(calls.filter(([name]) => name !== 'total'));
}
