import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { rolldown } from 'rolldown';
import { expect, it, onTestFinished } from 'vitest';
import { newQueueName, redis, url } from '../support/queue.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

const PROGRAM = `
import * as elkmq from 'nestjs-elkmq';

const names = Object.entries(elkmq)
  .filter(([, value]) => value.prototype instanceof elkmq.EventQueueError)
  .map(([name, Kind]) => [name, new Kind('x').name]);
const queue = new elkmq.EventQueue(process.env.QUEUE, process.env.REDIS_URL, { enqueueTimeout: 60_000 });
const refused = await queue.enqueue(new elkmq.ServiceEvent(5, 'a', null)).catch((error) => error.name);
await queue.close();
console.log(JSON.stringify({ names, refused }));
`;

it('a bundle in which classes have other names has errors of the same names, and knows what Redis refuses', async () => {
  // Below the root, so that it finds the packages.
  const folder = join(root, 'dist', `bundle-${randomUUID()}`);
  onTestFinished(() => rm(folder, { recursive: true }));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'program.js'), PROGRAM);
  const external = [/^@nestjs\//, /^rxjs/, 'reflect-metadata'];
  const bundle = await rolldown({ input: join(folder, 'program.js'), platform: 'node', external });
  await bundle.write({ file: join(folder, 'bundle.mjs'), format: 'esm', minify: true });
  const queue = newQueueName();
  await redis.set(`${queue}(event_stream)`, 'of another type');

  const env = { ...process.env, REDIS_URL: url, QUEUE: queue };
  const { stdout } = await promisify(execFile)(process.execPath, [join(folder, 'bundle.mjs')], { env });
  const { names, refused } = JSON.parse(stdout) as { names: [string, string][]; refused: string };
  expect(names.length).toBeGreaterThan(10);
  for (const [exported, name] of names) expect(name).toBe(exported);
  expect(refused).toBe('EnqueueError');
});
