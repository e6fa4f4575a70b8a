import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { until } from './queue.js';

/** A program of test/processes that runs; it ends with the test at the latest. */
export class TestProcess {
  /** The way it ended: `code 0`, or the name of a signal. */
  ended: string | undefined;
  /** All that it has written. */
  output = '';
  readonly #child: ChildProcess;
  readonly #messages: object[] = [];

  private constructor(program: string, args: string[]) {
    const file = fileURLToPath(new URL(`../../dist/tools/test/processes/${program}.js`, import.meta.url));
    this.#child = fork(file, args, { execArgv: [], stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (text) => (this.output += String(text)));
    }
    this.#child.on('message', (message: object) => this.#messages.push(message));
    this.#child.once('exit', (code, signal) => (this.ended = signal ?? `code ${String(code)}`));
  }

  /** Starts it, and waits until it says that it is ready. */
  static async start(program: string, ...args: string[]): Promise<TestProcess> {
    const started = new TestProcess(program, args);
    onTestFinished(() => started.stop());
    await started.told('ready');
    return started;
  }

  /** The next message of it that has this member. */
  async told<Message extends object>(member: keyof Message): Promise<Message> {
    const place = () => this.#messages.findIndex((message) => member in message);
    await until(() => place() >= 0 || this.ended !== undefined);
    const [message] = this.#messages.splice(place(), 1);
    if (!message) throw new Error(`it ended (${String(this.ended)}): ${this.output}`);
    return message as Message;
  }

  /** Whether it has told something with this member that nobody has taken yet. */
  tells(member: string): boolean {
    return this.#messages.some((message) => member in message);
  }

  tell(message: string): void {
    this.#child.send(message);
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Closes the channel, as it is when the process of the test dies, and waits for the end. */
  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    try {
      await until(() => this.ended !== undefined);
    } finally {
      this.kill('SIGKILL');
    }
  }
}
