import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ElkMqContext } from 'nestjs-elkmq';
import { ElkMqRecordBuilder } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { events, logs, moduleOf, requests, startApp, startClient, valuesOf } from '../support/nest.js';
import { startRedis } from '../../scripts/redis.js';
import { closing, redisMajor, until } from '../support/queue.js';
import { commandsUsed, ON_CLUSTER, PUBLISHED_USERS } from '../support/rights.js';

const [least, reduced] = PUBLISHED_USERS.map(({ rules }) => rules.replace('-@all ', '').split(' ')) as [
  string[],
  string[],
];

describe('the ACL rules of the guide', () => {
  it('allow what the package uses, and nothing else', () => {
    expect(least).toEqual(commandsUsed().map((command) => `+${command}`));
  });

  it('name what Cluster needs as well', () => {
    const guide = readFileSync(fileURLToPath(new URL('../../docs/guides/redis.md', import.meta.url)), 'utf8');
    for (const command of ON_CLUSTER) expect(guide).toContain(`+${command}`);
  });

  it('know each command that the source sends', () => {
    const source = fileURLToPath(new URL('../../libs/elkmq/src/', import.meta.url));
    const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    const sent = files.flatMap((file) =>
      [...readFileSync(join(source, file), 'utf8').matchAll(/\bsend\([^,()]+, '(\w+)'/g)].map(
        ([, name]) => name,
      ),
    );
    // Redis lets everybody send AUTH. SCAN is for `queues()`, which looks for all queues of a Redis.
    const known = [
      'auth',
      'scan',
      ...[...commandsUsed(), ...ON_CLUSTER].map((command) => command.split('|')[0]),
    ];
    expect(sent.length).toBeGreaterThan(10);
    expect(sent.filter((name) => !known.includes(name))).toEqual([]);
  });

  it('do without CLIENT, CONFIG, INFO, WAIT and channels in their shorter form', () => {
    const dispensable = /^\+(client|config|info|publish|subscribe|wait)\b/;
    expect(reduced).toEqual(least.filter((rule) => !dispensable.test(rule)));
  });
});

describe.each(PUBLISHED_USERS)('a user with the rules %#', ({ keys, channels, rules }) => {
  it('sends, answers, delays, tries again and deduplicates, with nothing but the keys and channels of the queue', async () => {
    const before = logs.length;
    const server = await startRedis({
      user: `${keys} ${redisMajor < 7 ? '' : channels} ${rules}`.replace('  ', ' '),
    });
    closing({ close: () => server.stop() });
    const { url } = server;
    const seen: string[] = [];
    const flaky = (data: string, context: ElkMqContext): void => {
      seen.push(data);
      if (context.getAttempt() === 1) throw new Error('not yet');
    };
    const handlers = [requests({ double: (value: number) => value * 2 }), events({ flaky })];
    await startApp(moduleOf(...handlers), { queue: 'orders', url, retry: { attempts: 2, backoff: 10 } });
    const client = startClient({ queue: 'orders', url });
    const record = new ElkMqRecordBuilder(21).setDeduplicationKey('key', 60_000).build();
    expect(await valuesOf(client.send('double', record))).toEqual([42]);
    expect(await valuesOf(client.send('double', record))).toEqual([42]);
    await valuesOf(client.emit('flaky', new ElkMqRecordBuilder('late').setDelay(10).build()));
    await until(() => seen.length === 2);
    await valuesOf(client.emit('unknown', 1));
    await until(async () => (await client.state()).deadLetters === 1);
    const refused = logs
      .slice(before)
      .filter((line) => line.includes("'orders'") && line.includes('Redis refuses'));
    const isReduced = !rules.includes('+client');
    const expected = ['CLIENT ID, CLIENT UNBLOCK', 'PUBLISH', 'PUBLISH'].map(
      (commands) => expect.stringContaining(`Redis refuses ${commands}:`) as string,
    );
    // A client that sends before its rights were tried may subscribe in vain first, and is told so too.
    const tried = refused.filter((line) => !(isReduced && line.includes('Redis refuses SUBSCRIBE:')));
    expect(tried).toEqual(isReduced ? expected : []);
  });
});
