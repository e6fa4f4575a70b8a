import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inject, onTestFinished } from 'vitest';

const MAIN = fileURLToPath(new URL('../../libs/elkmq/dist/cli/main.js', import.meta.url));

/** How a command of the command line has ended. */
export interface Ended {
  /** The exit code; null after a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export interface Running {
  readonly ended: Promise<Ended>;
  /** What it has written so far. */
  written(): { stdout: string; stderr: string };
  kill(signal: NodeJS.Signals): void;
  /** Reads no more of its output, as `head` does. */
  closeOutput(output: 'stdout' | 'stderr'): void;
}

/** Starts `elkmq` as a process of its own. The URL of Redis is in its environment, unless `url` is another one. */
export function start(
  args: readonly string[],
  { url = inject('adminUrl'), stdin = '' } = {},
  env = {},
): Running {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { ...process.env, ELKMQ_URL: url, NODE_NO_WARNINGS: '1', ...env },
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.on('data', (data) => (text.stdout += String(data)));
  child.stderr.on('data', (data) => (text.stderr += String(data)));
  child.stdin.on('error', () => undefined);
  child.stdin.end(stdin);
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code) => {
      resolve({ code, ...text });
    });
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return {
    ended,
    written: () => text,
    kill: (signal) => void child.kill(signal),
    closeOutput: (output) => void child[output].destroy(),
  };
}

/** Runs `elkmq` to its end. */
export function elkmq(...args: Parameters<typeof start>): Promise<Ended> {
  return start(...args).ended;
}

/** Runs `elkmq` with `--json`. @returns its exit code, and the value of what it has written */
export async function elkmqJson(
  args: readonly string[],
  ...more: [Parameters<typeof start>[1]?, object?]
): Promise<{ code: number | null; json: unknown; stderr: string }> {
  const { code, stdout, stderr } = await elkmq([...args, '--json'], ...more);
  try {
    return { code, json: JSON.parse(stdout), stderr };
  } catch {
    throw new Error(`elkmq ${args.join(' ')} (${String(code)}) has written no JSON: ${stdout}${stderr}`);
  }
}
