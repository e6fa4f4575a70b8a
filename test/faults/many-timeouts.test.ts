import { expect, it, onTestFinished } from 'vitest';
import { Connection } from '../../libs/elkmq/src/redis/connection.js';
import { RedisSource } from '../../libs/elkmq/src/redis/redis-source.js';
import { send } from '../../libs/elkmq/src/redis/scripts.js';
import { Proxy } from '../support/proxy.js';
import { closing, url } from '../support/queue.js';

/** Node warns of more than ten listeners of one kind. */
const COMMANDS = 50;
const COMMAND_TIMEOUT_MS = 200;

it('many commands that time out at once replace their connection without a warning of Node', async () => {
  const warnings: string[] = [];
  const note = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  const proxy = closing(await Proxy.before(url));
  const connection = new Connection(new RedisSource(proxy.url), COMMAND_TIMEOUT_MS);
  onTestFinished(() => connection.closeConnection());
  await connection.whenConnected(60_000);
  const { session } = connection;

  proxy.silence();
  const commands = Array.from({ length: COMMANDS }, () => send(connection.client, 'ping', []));
  const failures = await Promise.allSettled(commands);
  expect(failures.filter(({ status }) => status === 'rejected')).toHaveLength(COMMANDS);

  await expect.poll(() => connection.session, { timeout: 60_000 }).toBeGreaterThan(session);
  await connection.whenConnected(60_000);
  expect(warnings).toEqual([]);
});
