import { existsSync, readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem, type } from 'node:os';
import { fileURLToPath } from 'node:url';

/** What the figures depend on besides the code that is measured. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** Processes that wanted a core in the last minute: they may have gone on wanting it while it was measured. */
  readonly loadAverage: number;
}

export function describeMachine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${/^\d+\.\d+/.exec(release())?.[0] ?? release()}`,
    loadAverage: loadavg()[0] ?? 0,
  };
}

const PACKAGES = [
  'nestjs-elkmq',
  '@nestjs/common',
  '@nestjs/core',
  '@nestjs/microservices',
  'ioredis',
  '@nats-io/transport-node',
  'amqplib',
  'amqp-connection-manager',
  'mqtt',
  'bullmq',
  'rxjs',
];

export function packageVersions(): Record<string, string> {
  return Object.fromEntries(PACKAGES.map((name) => [name, installedVersion(name)]));
}

/** From the folder of the file that is really imported, since not every package exports its package.json. */
function installedVersion(name: string): string {
  let folder = new URL('.', import.meta.resolve(name));
  while (!existsSync(fileURLToPath(new URL('package.json', folder)))) folder = new URL('..', folder);
  const manifest = JSON.parse(readFileSync(new URL('package.json', folder), 'utf8')) as { version: string };
  return manifest.version;
}
