import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { ask } from '../support/console.js';
import { until } from '../support/queue.js';

const script = fileURLToPath(new URL('../../dist/tools/scripts/console.js', import.meta.url));

it('npm run console serves the console with something to look at, until Ctrl-C', async () => {
  const child = spawn(process.execPath, [script], { env: { ...process.env, PORT: '0' } });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  const address = /http:\S+/.exec(line)?.[0] ?? '';
  expect((await ask(address)).status).toBe(200);
  const stateOf = async (queue: string): Promise<Record<string, unknown>> =>
    (await ask(`${address}api/queue?queue=${queue}`)).json;
  await until(async () => {
    const [orders, mails] = [await stateOf('orders'), await stateOf('mails')];
    return Number(orders['deadLetters']) > 0 && orders['workers'] === 1 && Number(mails['waiting']) > 0;
  });
  child.kill('SIGINT');
  expect(await once(child, 'exit')).toEqual([0, null]);
});
