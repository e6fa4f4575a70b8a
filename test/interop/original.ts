import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { url } from '../support/queue.js';

const pathOf = (file: string) => fileURLToPath(new URL(file, import.meta.url));

/** The texts that messages of all sides carry, in turn. */
export const texts = JSON.parse(readFileSync(pathOf('texts.json'), 'utf8')) as string[];

/** The folder of the original's Python module; `undefined` where it cannot be built. */
export const pythonModule = process.env['ELK_MQ_PYTHON_MODULE'];

/** An event that the original took, as it tells of it. */
export interface TakenByOriginal {
  readonly timestamp: number;
  readonly uuid: string;
  readonly timeout: number;
  readonly action: string;
  readonly payload: string | null;
  readonly problem: string | null;
}

/** A process of the original, which writes one JSON value a line; it ends with the test at the latest. */
export class OriginalProcess<T> {
  readonly #child: ChildProcess;
  /** All that it has written, when it has ended well. */
  readonly output: Promise<T[]>;

  constructor(command: string, args: string[]) {
    const env = { ...process.env, PYTHONPATH: pythonModule };
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    this.#child = child;
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
    this.output = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        if (code !== 0) reject(new Error(`${args.join(' ')} ended with ${signal ?? String(code)}`));
        else resolve(lines(text).map((line) => JSON.parse(line) as T));
      });
    });
    // It is told to those who wait for it.
    this.output.catch(() => undefined);
    onTestFinished(() => void child.kill('SIGKILL'));
  }

  /** It finishes what it has in hand, and takes nothing more. */
  stop(): Promise<T[]> {
    this.#child.stdin?.end();
    return this.output;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** The original in one of its languages, each call a process of its own. */
class Original {
  readonly #command: string;
  readonly #script: string[];

  constructor(command: string, ...script: string[]) {
    this.#command = command;
    this.#script = script;
  }

  start<T>(...args: (string | number)[]): OriginalProcess<T> {
    return new OriginalProcess(this.#command, [...this.#script, ...args.map(String)]);
  }

  /** @param timeout of each event, seconds */
  async produce(queue: string, first: number, count: number, timeout = 60): Promise<void> {
    await this.start('produce', url, queue, first, count, timeout).output;
  }

  /** One request after the other. @param timeout of each, seconds */
  async request(queue: string, first: number, count: number, timeout: number) {
    const args = ['request', url, queue, first, count, timeout];
    return (await this.start<{ answered: number; problems: string[] }>(...args).output)[0];
  }

  /** Takes events until none has come for `timeoutMs` seconds, or it is stopped. */
  consumer(queue: string, timeoutMs: number): OriginalProcess<TakenByOriginal> {
    return this.start('consume', url, queue, timeoutMs);
  }

  /** Does the same as `consumer`, and answers each request with its own payload. */
  server(queue: string, timeoutMs: number): OriginalProcess<TakenByOriginal> {
    return this.start('serve', url, queue, timeoutMs);
  }
}

export type { Original };
export const rust = new Original(pathOf('./rust/target/release/elk-mq-interop'));
export const python = new Original('python3', pathOf('./python/original.py'));
