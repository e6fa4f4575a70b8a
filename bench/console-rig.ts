import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';

/** A large queue, and a console on it in a process of its own. */

const CONSOLE = fileURLToPath(new URL('../../../libs/console/dist/cli/main.js', import.meta.url));
const MESSAGES_PER_CALL = 2_000;
const LETTERS_PER_CALL = 500;

/** Adds messages with a payload of 100 characters. A script adds many, because a million calls take minutes. */
const FILL = `
local json = '{"request_uuid":7,"timeout":65535,"action":"order.placed","payload":"' .. string.rep('x', 100) .. '"}'
for i = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'event', json, 'reply_to', '') end
`;

/** Fills a queue as clients and workers would. */
export async function fillQueue(redis: Redis, queue: string, waiting: number, dead: number): Promise<void> {
  const stream = `${queue}(event_stream)`;
  await redis.xgroup('CREATE', stream, 'elkmq', '0', 'MKSTREAM');
  for (let left = waiting; left > 0; left -= MESSAGES_PER_CALL)
    await redis.eval(FILL, 1, stream, Math.min(left, MESSAGES_PER_CALL));
  const now = Date.now();
  for (let from = 0; from < dead; from += LETTERS_PER_CALL) {
    const adding = redis.pipeline();
    for (let number = from; number < Math.min(from + LETTERS_PER_CALL, dead); number++) {
      const origin = `${String(now - 86_400_000 + number)}-0`;
      adding.zadd(`${queue}(dead_letters)`, now - number, origin);
      adding.hset(`${queue}(dead_letter_bodies)`, origin, letterOf(origin, now - number));
    }
    await adding.exec();
  }
}

function letterOf(origin: string, diedAt: number): string {
  const event = `{"request_uuid":7,"timeout":60,"action":"order.placed","payload":"${'x'.repeat(100)}"}`;
  return JSON.stringify({
    reason: 'failed',
    origin,
    fields: ['event', event, 'reply_to', ''],
    error: { name: 'PriceError', message: 'no price', stack: '    at place\n'.repeat(10) },
    attempts: 1,
    firstAt: diedAt,
    lastAt: diedAt,
    consumer: 'worker',
  });
}

/** A console that can only be looked at. */
export interface OpenConsole {
  /** The address of its API, which ends with a slash. */
  readonly api: string;
  close(): Promise<void>;
}

export async function openConsole(url: string): Promise<OpenConsole> {
  const args = [CONSOLE, '--port', '0', '--read-only'];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ELKMQ_URL: url },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  const address = /http:\S+/.exec(line.toString())?.[0];
  if (address === undefined) throw new Error(`the console did not start: ${line.toString()}`);
  return {
    api: `${address}api/`,
    close: async () => {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      await ended;
    },
  };
}
