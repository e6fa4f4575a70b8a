import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

/** A program of examples/rust; it ends with the test at the latest. */
export class RustProgram {
  /** All that it has written. */
  output = '';
  /** How it ended: `code 0`, or the name of a signal. */
  readonly ended: Promise<string>;

  constructor(name: string, redisUrl: string) {
    const file = fileURLToPath(new URL(`../../examples/rust/target/release/${name}`, import.meta.url));
    const child = spawn(file, {
      env: { ...process.env, REDIS_URL: redisUrl },
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
