import { fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Failure } from './parent.js';

/** Connecting, compiling and closing come on top of the time that a command itself takes. */
const TIMEOUT_MS = 60_000;

/**
 * A process that this one has started. It says when it is ready, answers one command at a time, and ends when its
 * channel is closed: also when this process dies and cannot close it.
 */
export class Child<Command extends object, Answer> {
  private readonly exit: Promise<string>;
  private failure: string | undefined;

  private constructor(
    private readonly name: string,
    private readonly process: ChildProcess,
    private readonly interrupt: AbortSignal,
  ) {
    const kill = () => process.kill('SIGKILL');
    interrupt.addEventListener('abort', kill);
    process.on('message', (message: Partial<Failure>) => (this.failure = message.failure));
    this.exit = new Promise((resolve) => {
      process.once('exit', (code, signal) => {
        interrupt.removeEventListener('abort', kill);
        resolve(signal ?? `code ${code}`);
      });
    });
  }

  /** A program in another language. It reads commands from its standard input, and writes answers, a line of JSON each. */
  static startProgram<Command extends object, Answer>(
    name: string,
    command: readonly string[],
    interrupt: AbortSignal,
  ): Promise<Child<Command, Answer>> {
    interrupt.throwIfAborted();
    const [program = '', ...args] = command;
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface(child.stdout).on('line', (line) => child.emit('message', JSON.parse(line)));
    // It has ended, which `ended` tells.
    child.stdin.on('error', () => undefined);
    return Child.whenReady(new Child<Command, Answer>(name, child, interrupt));
  }

  /** @param prefix stands before the command, such as `ip netns exec NAME`; it must become the process */
  static start<Command extends object, Answer>(
    name: string,
    script: URL,
    args: string[],
    interrupt: AbortSignal,
    prefix: readonly string[] = [],
  ): Promise<Child<Command, Answer>> {
    interrupt.throwIfAborted();
    const [execPath = process.execPath, ...rest] = prefix;
    const execArgv =
      prefix.length === 0 ? process.execArgv : [...rest, process.execPath, ...process.execArgv];
    return Child.whenReady(
      new Child<Command, Answer>(name, fork(script, args, { execPath, execArgv }), interrupt),
    );
  }

  private static async whenReady<Command extends object, Answer>(
    child: Child<Command, Answer>,
  ): Promise<Child<Command, Answer>> {
    try {
      await child.answer(TIMEOUT_MS);
    } catch (error) {
      await child.stop();
      throw error;
    }
    return child;
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  ask(command: Command, durationMs: number): Promise<Answer> {
    if (this.process.connected) this.process.send(command);
    else this.process.stdin?.write(`${JSON.stringify(command)}\n`);
    return this.answer(durationMs + TIMEOUT_MS);
  }

  /** Rejects when the process has ended. */
  async ended(): Promise<never> {
    const exit = await this.exit;
    this.interrupt.throwIfAborted();
    throw new Error(`${this.name} ended too early: ${this.failure ?? exit}`);
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exit;
  }

  async stop(): Promise<void> {
    if (this.process.connected) this.process.disconnect();
    this.process.stdin?.end();
    const overdue = setTimeout(() => this.process.kill('SIGKILL'), TIMEOUT_MS);
    const exit = await this.exit;
    clearTimeout(overdue);
    // Only said, not thrown: it would hide the error that may have led here.
    if (exit !== 'code 0' && !this.interrupt.aborted)
      console.error(`${this.name} did not end cleanly (${exit})`);
  }

  private async answer(withinMs: number): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.name} did not answer within ${withinMs} ms`)),
        withinMs,
      );
    });
    try {
      const [answer] = (await Promise.race([once(this.process, 'message'), this.ended(), tooLate])) as [
        Answer,
      ];
      return this.failure === undefined ? answer : await this.ended();
    } finally {
      clearTimeout(timer);
    }
  }
}
