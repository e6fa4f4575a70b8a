import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { pythonModule } from './original.js';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));

/** A program of `examples/`; it ends with the test at the latest. */
export class ExampleProgram {
  /** All that it has written. */
  output = '';
  /** The way it ended: `code 0`, or the name of a signal. */
  readonly ended: Promise<string>;

  constructor(language: 'Rust' | 'Python', name: string, redisUrl: string) {
    const [command, ...args] =
      language === 'Rust'
        ? [`${examples}rust/target/release/${name}`]
        : ['python3', `${examples}python/${name}.py`];
    const child = spawn(command, args, {
      env: { ...process.env, REDIS_URL: redisUrl, PYTHONPATH: pythonModule },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    child.stdout.on('data', (text) => (this.output += String(text)));
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        resolve(signal ?? `code ${String(code)}`);
      });
    });
    onTestFinished(() => void child.kill('SIGKILL'));
  }
}
