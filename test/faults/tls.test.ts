import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { freePort } from '../support/free-port.js';
import { moduleOf, requests, startApp, startClient, valuesOf } from '../support/nest.js';
import { ownRedis } from '../support/own-redis.js';
import { failureWith, newQueueName } from '../support/queue.js';

const file = (name: string): string => fileURLToPath(new URL(`../data/tls/${name}`, import.meta.url));

it('TLS: a server whose certificate is of a CA of its own is reached with that CA, and not without it', async () => {
  const port = await freePort();
  const certificates = ['--tls-cert-file', file('server.crt'), '--tls-key-file', file('server.key')];
  const { url } = await ownRedis(
    ...['--tls-port', String(port), ...certificates, '--tls-ca-cert-file', file('ca.crt')],
    ...['--tls-auth-clients', 'no'],
  );
  const { username, password } = new URL(url);
  const tls = { ca: readFileSync(file('ca.crt'), 'utf8') };
  const redis = { host: 'localhost', port, tls, ...(username && { username, password }) };
  const queue = newQueueName();
  await startApp(moduleOf(requests({ double: (value: number) => value * 2 })), { queue, redis });
  expect(await valuesOf(startClient({ queue, redis }).send('double', 21))).toEqual([42]);

  const distrustful = startClient({ queue, redis: { ...redis, tls: {} }, enqueueTimeout: 2_000 });
  const error = await failureWith(/certificate/, () => distrustful.connect());
  expect(error).toMatchObject({ code: 'CONNECTION_FAILED' });
});
