import { ElkMqClient } from 'nestjs-elkmq';
import { OutboxRelay } from 'nestjs-elkmq/outbox';
import { Client, type Pool } from 'pg';
import { describe, expect, it } from 'vitest';
import { events, moduleOf, startApp, startClient } from '../support/nest.js';
import { inTransaction, OUTBOX_TABLE, transferOf } from '../support/outbox.js';
import { ownRedis } from '../support/own-redis.js';
import { hasPostgres, ownPostgres, postgresPool } from '../support/postgres.js';
import { TestProcess } from '../support/processes.js';
import { closing, newQueueName, until, url } from '../support/queue.js';

async function newOutbox(): Promise<{ pool: Pool; database: string }> {
  const database = await ownPostgres();
  const pool = postgresPool(database);
  await pool.query(OUTBOX_TABLE);
  return { pool, database };
}

async function countRows(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ count: string }>('SELECT count(*) FROM outbox');
  return Number(rows[0]?.count);
}

function startRelay(client: ElkMqClient, pool: Pool): OutboxRelay {
  const relay = closing(
    new OutboxRelay({ name: 'outbox', client, transfer: transferOf(pool), interval: 20 }),
  );
  relay.start();
  return relay;
}

/** A worker that writes down the payloads of the event `order.placed`. */
async function takenFrom(queue: string): Promise<unknown[]> {
  const taken: unknown[] = [];
  const note = (data: unknown): void => {
    taken.push(data);
  };
  await startApp(moduleOf(events({ 'order.placed': note })), { queue });
  return taken;
}

const INSERT = `INSERT INTO outbox (pattern, data) VALUES ('order.placed', $1)`;

describe.skipIf(!hasPostgres)('an outbox in PostgreSQL', () => {
  it('sends what is committed, and nothing of what is rolled back', async () => {
    const queue = newQueueName();
    const { pool } = await newOutbox();
    const taken = await takenFrom(queue);
    startRelay(startClient({ queue }), pool);
    const failed = inTransaction(pool, async (tx) => {
      await tx.query(INSERT, [{ id: 1 }]);
      throw new Error('no stock');
    });
    await expect(failed).rejects.toThrow('no stock');
    await inTransaction(pool, (tx) => tx.query(INSERT, [{ id: 2 }]));
    await until(async () => (await countRows(pool)) === 0);
    await until(() => taken.length > 0);
    expect(taken).toEqual([{ id: 2 }]);
  });

  it('sends a row again when a relay was killed after sending it, and it is stored once', async () => {
    const queue = newQueueName();
    const { pool, database } = await newOutbox();
    await pool.query(INSERT, [{ id: 1 }]);
    const taken = await takenFrom(queue);
    const killed = await TestProcess.start('outbox-relay', url, queue, database);
    await killed.told('sent');
    await until(() => taken.length === 1);
    killed.kill('SIGKILL');
    await until(() => killed.ended !== undefined);
    expect(await countRows(pool)).toBe(1);

    await pool.query(INSERT, [{ id: 2 }]);
    startRelay(startClient({ queue }), pool);
    await until(async () => (await countRows(pool)) === 0);
    await until(() => taken.length >= 2);
    expect(taken).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it('goes on when the database ends its connections, idle ones and that of a transfer', async () => {
    const queue = newQueueName();
    const { pool, database } = await newOutbox();
    const taken = await takenFrom(queue);
    const endConnections = async (): Promise<void> => {
      const admin = new Client(database);
      await admin.connect();
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'`,
      );
      await admin.end();
    };
    await endConnections();
    await until(() => pool.totalCount === 0);
    await pool.query(INSERT, [{ id: 1 }]);
    let transfers = 0;
    const transfer = transferOf(pool, async () => {
      if (transfers++ === 0) await endConnections();
    });
    const client = startClient({ queue });
    closing(new OutboxRelay({ name: 'outbox', client, transfer, interval: 20 })).start();
    // A query of the test may have had one of these connections.
    await until(async () => (await countRows(pool).catch(() => 1)) === 0);
    expect(transfers).toBe(2);
    await until(() => taken.length > 0);
    expect(taken).toEqual([{ id: 1 }]);
  });

  it('keeps rows while Redis is away', async () => {
    const queue = newQueueName();
    const server = await ownRedis('--appendonly', 'yes');
    const { pool } = await newOutbox();
    const client = startClient({ queue, url: server.url, enqueueTimeout: 200 });
    await client.connect();
    await server.kill();
    for (let id = 1; id <= 5; id++) await pool.query(INSERT, [{ id }]);
    const relay = startRelay(client, pool);
    await until(async () => {
      const { rows } = await pool.query(
        `SELECT 1 FROM pg_locks WHERE relation = 'outbox'::regclass AND mode = 'RowShareLock'`,
      );
      return rows.length > 0;
    });
    await server.restart();
    relay.wake();
    await until(async () => (await countRows(pool)) === 0);
    const state = await client.state();
    expect(state.waiting).toBe(5);
  });

  it('keeps the order of each key with two relays and many writers', async () => {
    const queue = newQueueName();
    const { pool } = await newOutbox();
    await pool.query('CREATE TABLE accounts (id text PRIMARY KEY, version int NOT NULL)');
    const keys = ['a', 'b', 'c'];
    for (const key of keys) await pool.query('INSERT INTO accounts VALUES ($1, 0)', [key]);
    const versions = new Map<string, number[]>(keys.map((key) => [key, []]));
    const note = ({ key, version }: { key: string; version: number }): void => {
      versions.get(key)?.push(version);
    };
    await startApp(moduleOf(events({ changed: note })), { queue });
    startRelay(startClient({ queue }), pool);
    startRelay(startClient({ queue }), postgresPool(databaseOf(pool)));

    const change = async (key: string): Promise<void> => {
      await inTransaction(pool, async (tx) => {
        const { rows } = await tx.query<{ version: number }>(
          'UPDATE accounts SET version = version + 1 WHERE id = $1 RETURNING version',
          [key],
        );
        const { version } = rows[0] ?? {};
        await tx.query(`INSERT INTO outbox (pattern, data, ordering_key) VALUES ('changed', $1, $2)`, [
          { key, version },
          key,
        ]);
      });
    };
    const writer = async (): Promise<void> => {
      for (let n = 0; n < 50; n++) await change(keys[n % keys.length] ?? '');
    };
    await Promise.all([writer(), writer(), writer(), writer()]);
    const total = () => [...versions.values()].flat().length;
    await until(() => total() === 200);
    for (const [key, seen] of versions) {
      expect(seen, key).toEqual(seen.map((_, index) => index + 1));
    }
    // The last row is handled before the relay has committed its deletion.
    await until(async () => (await countRows(pool)) === 0);
  });
});

function databaseOf(pool: Pool): string {
  return pool.options.connectionString ?? '';
}
