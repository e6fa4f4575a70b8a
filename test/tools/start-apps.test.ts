import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { cpSync, mkdirSync, rmSync, symlinkSync, utimesSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { newQueueName, until, url } from '../support/queue.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = [
  ...['package.json', 'package-lock.json', 'tsconfig.json', 'nest-cli.json', 'apps', 'scripts/build-app.mjs'],
  'scripts/embed-lua.mjs',
  'scripts/lua',
  ...['src', 'package.json', 'tsconfig.lib.json'].flatMap((part) => [
    `libs/elkmq/${part}`,
    `libs/nestjs-elkmq/${part}`,
  ]),
];

/** A copy of the project in which nothing is built. Below the root, so that it finds the packages. */
function copyProject(): string {
  const project = join(root, 'dist', `start-${randomUUID()}`);
  onTestFinished(() => {
    rmSync(project, { recursive: true });
  });
  for (const path of COPIED) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    cpSync(join(root, path), join(project, path), { recursive: true });
  }
  mkdirSync(join(project, 'node_modules'));
  for (const name of ['elkmq', 'nestjs-elkmq'])
    symlinkSync(`../libs/${name}`, join(project, 'node_modules', name));
  return project;
}

class StartedApp {
  output = '';
  #ended = false;
  readonly #child;

  constructor(project: string, script: string, env: Record<string, string>) {
    // Its own group, so that npm, the shell and the app end together.
    this.#child = spawn('npm', ['run', '--silent', script], {
      cwd: project,
      env: { ...process.env, ...env },
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    }
    this.#child.on('close', () => (this.#ended = true));
    onTestFinished(() => this.stop());
  }

  async hasWritten(text: string): Promise<void> {
    await until(() => this.output.includes(text) || this.#ended, 300_000);
    expect(this.output).toContain(text);
  }

  async stop(): Promise<void> {
    if (!this.#ended) process.kill(-Number(this.#child.pid), 'SIGTERM');
    await until(() => this.#ended);
  }
}

describe('npm run start:api and npm run start:worker', () => {
  it('at once in a fresh clone build the package once, and start; later ones start without a build', async () => {
    const project = copyProject();
    const queue = newQueueName();
    const env = { REDIS_URL: url, PORT: '0', PACKAGES_QUEUE: queue, FINDINGS_TOPIC: `${queue}-findings` };
    const start = (script: string) => new StartedApp(project, script, { ...env, PROJECT_ROOT: root });
    const [api, worker] = [start('start:api'), start('start:worker')];
    await Promise.all([
      api.hasWritten('/packages/inspect?path='),
      worker.hasWritten('takes requests from queue'),
    ]);
    const built = (api.output + worker.output).match(/^Building .*$/gm)?.sort();
    expect(built).toEqual(['Building apps/api …', 'Building apps/worker …', 'Building libs …']);

    const second = start('start:worker');
    await second.hasWritten('takes requests from queue');
    expect(second.output).not.toContain('Building');

    utimesSync(join(project, 'apps/worker/src/main.ts'), new Date(), new Date());
    const third = start('start:worker');
    await third.hasWritten('takes requests from queue');
    expect(third.output.match(/^Building .*$/gm)).toEqual(['Building apps/worker …']);
  }, 600_000);
});
