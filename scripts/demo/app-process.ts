import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { appScript, projectRoot } from './project.js';

export type AppName = 'api' | 'worker';

/** What the apps tell the process that started them, over its channel to them. */
type Message = { readonly ready: true; readonly url?: string } | { readonly inspecting: string };

/** Guards against hanging: a busy machine may need long. */
const START_MS = 120_000;
const STOP_MS = 60_000;

/** One of the Nest apps, in a process of its own. It ends with this process at the latest: their channel closes then. */
export class AppProcess {
  /** The paths of the packages that this worker was given to inspect. */
  readonly inspected: string[] = [];
  /** The address of an API app that is ready. */
  url = '';
  /** Resolves when the app is ready. */
  readonly ready: Promise<void>;
  /** Resolves to how the process ended: with `code 0` when it was closed. */
  readonly ended: Promise<string>;
  /** What was wrong with how it ended. */
  problem: string | undefined;
  readonly #child: ChildProcess;
  #isStopping = false;

  constructor(
    app: AppName,
    readonly name: string,
    env: NodeJS.ProcessEnv,
  ) {
    this.#child = fork(appScript(app), [], {
      cwd: projectRoot,
      env: { ...process.env, ...env },
      stdio: ['ignore', 2, 2, 'ipc'], // stdout belongs to the demo
    });
    this.ended = this.#awaitEnd();
    this.ready = this.#awaitReady();
    this.ready.catch(() => {}); // reported to who waits for it
  }

  get description(): string {
    return `${this.name} (process ${this.#child.pid})`;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#child.kill('SIGTERM');
    const impatience = setTimeout(() => this.#child.kill('SIGKILL'), STOP_MS);
    await this.ended;
    clearTimeout(impatience);
  }

  async #awaitEnd(): Promise<string> {
    const [code, signal] = (await once(this.#child, 'exit')) as [number | null, string | null];
    const how = signal ?? `code ${code}`;
    if (!this.#isStopping) this.problem = `${this.description} ended before its time (${how})`;
    else if (how !== 'code 0') this.problem = `${this.description} did not close cleanly (${how})`;
    return how;
  }

  async #awaitReady(): Promise<void> {
    const tooLate = AbortSignal.timeout(START_MS);
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string) => reject(new Error(`${this.description} did not start: ${why}.`));
      void this.ended.then((how) => fail(`it ended with ${how}`));
      tooLate.addEventListener('abort', () => fail(`it was not ready after ${START_MS} ms`));
      this.#child.on('message', (message: Message) => {
        if ('inspecting' in message) {
          this.inspected.push(message.inspecting);
        } else {
          this.url = message.url ?? '';
          resolve();
        }
      });
    });
  }
}
