import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { url } from '../support/queue.js';

const program = fileURLToPath(new URL('./rust/target/release/elk-mq-interop', import.meta.url));

/** What the original says of an event that it took. */
export interface TakenByOriginal {
  readonly timestamp: number;
  readonly uuid: string;
  readonly timeout: number;
  readonly action: string;
  readonly payload: string | null;
  readonly problem: string | null;
}

/** A process of the original, which writes one JSON value a line; it ends with the test at the latest. */
export class Original<T> {
  readonly #child: ChildProcess;
  /** What it has written, when it has ended well. */
  readonly output: Promise<T[]>;

  constructor(...args: (string | number)[]) {
    const child = spawn(program, args.map(String), { stdio: ['pipe', 'pipe', 'inherit'] });
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
    // Whoever waits for it is told.
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

/** The original's side of the tests, each call a process of its own. */
export const original = {
  /** The texts that its messages carry, in turn. */
  async texts(): Promise<string[]> {
    const [texts = []] = await new Original<string[]>('texts').output;
    return texts;
  },

  /** @param timeout of each event, seconds */
  async produce(queue: string, first: number, count: number, timeout = 60): Promise<void> {
    await new Original('produce', url, queue, first, count, timeout).output;
  },

  /** One request after the other. @param timeout of each, seconds */
  async request(queue: string, first: number, count: number, timeout: number) {
    const { output } = new Original<{ answered: number; problems: string[] }>(
      'request',
      url,
      queue,
      first,
      count,
      timeout,
    );
    return (await output)[0];
  },

  /** Takes events until none has come for `patience` seconds, or it is stopped. */
  consumer(queue: string, patience: number): Original<TakenByOriginal> {
    return new Original('consume', url, queue, patience);
  },

  /** As `consumer`, and answers each request with its own payload. */
  server(queue: string, patience: number): Original<TakenByOriginal> {
    return new Original('serve', url, queue, patience);
  },
};
