import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { get } from 'node:http';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ask, change } from '../support/console.js';
import { deadLetter, writeLetters } from '../support/dead-letters.js';
import { newQueueName, url } from '../support/queue.js';

const PROGRAM = fileURLToPath(new URL('../../libs/console/dist/cli/main.js', import.meta.url));

function start(...args: string[]): ChildProcess {
  const env = { ...process.env, ELKMQ_URL: url, NODE_ENV: 'production' };
  const child = spawn(process.execPath, [PROGRAM, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** Starts the console on a free port. @returns the process, and the address that it has written */
async function startListening(...args: string[]): Promise<{ child: ChildProcess; address: string }> {
  const child = start('--port', '0', ...args);
  if (!child.stdout) throw new Error('the process has no output');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return { child, address: line.replace('The console is at ', '') };
}

/** Runs the console to its end. */
async function run(...args: string[]): Promise<{ code: number; output: string }> {
  const child = start(...args);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

/** The status of a request with this Host header, which fetch does not send. */
async function statusForHost(address: string, host: string): Promise<number | undefined> {
  const [response] = (await once(get(address, { headers: { Host: host } }), 'response')) as [
    { statusCode?: number; resume(): void },
  ];
  response.resume();
  return response.statusCode;
}

describe('npx elkmq-console', () => {
  it('shows the queues that are named, and ends with 0 at a signal', async () => {
    const queue = newQueueName();
    const letter = deadLetter(1);
    await writeLetters(queue, [letter]);
    const { child, address } = await startListening('--queue', queue);
    expect(address).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    expect((await ask(`${address}api/queues`)).json['queues']).toMatchObject([
      { name: queue, deadLetters: 1 },
    ]);
    expect((await change(`${address}api/retry`, { queue, ids: [letter.origin] })).json).toEqual({ count: 1 });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
  });

  it('answers to names of this machine only: a page of another site may let its own lead here', async () => {
    const { address } = await startListening();
    const { port } = new URL(address);
    for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`])
      expect([host, await statusForHost(address, host)]).toEqual([host, 200]);
    for (const host of [`evil.example:${port}`, `localhost.evil.example:${port}`, `127.0.0.1.nip.io:${port}`])
      expect([host, await statusForHost(address, host)]).toEqual([host, 421]);
  });

  it('asks for the user and the password of --user, and writes the user into the action log', async () => {
    const queue = newQueueName();
    const { address } = await startListening('--queue', queue, '--user', 'ada:l:ove');
    const login = (text: string): Record<string, string> => ({
      Authorization: `Basic ${Buffer.from(text).toString('base64')}`,
    });
    for (const path of ['', 'api/queues', 'api/actions']) {
      const refused = await ask(`${address}${path}`);
      expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([
        401,
        expect.stringContaining('Basic'),
      ]);
      expect((await ask(`${address}${path}`, { headers: login('ada:love') })).status).toBe(401);
      expect((await ask(`${address}${path}`, { headers: login('ada:l:ove') })).status).toBe(200);
    }
    await change(`${address}api/purge`, { queue, state: 'dead' }, login('ada:l:ove'));
    const { json } = await ask(`${address}api/actions`, { headers: login('ada:l:ove') });
    expect(json['actions']).toMatchObject([{ who: 'ada', kind: 'purge' }]);
  });

  it('changes nothing with --read-only', async () => {
    const queue = newQueueName();
    const { address } = await startListening('--queue', queue, '--read-only');
    expect((await change(`${address}api/purge`, { queue, state: 'dead' })).status).toBe(403);
  });

  it.each([
    [['--host', '0.0.0.0'], /others can reach the console: give it --user or --read-only/],
    [['--port', '70000'], /--port must be a number from 0 to 65535, got "70000"/],
    [['--user', 'ada'], /--user must be user:password/],
    [['--url', 'nowhere'], /url must be a URL such as redis:.*, got "nowhere"/],
    [['--url', 'http://127.0.0.1'], /url must be a URL .*, got one with the protocol "http:"/],
    [
      ['--cluster', '--url', 'redis://:a%b@127.0.0.1'],
      /user and password percent-encoded: a % is written as %25/,
    ],
    [['--purge'], /Unknown option '--purge'/],
    [['orders'], /Unexpected argument 'orders'/],
  ])('is refused with 2 and the reason: %j', async (args, reason) => {
    const { code, output } = await run(...args);
    expect(output).toMatch(reason);
    expect(code).toBe(2);
  });

  it('has a help with an example', async () => {
    const { code, output } = await run('--help');
    expect([code, output]).toEqual([0, expect.stringContaining('$ elkmq-console --url')]);
  });
});
