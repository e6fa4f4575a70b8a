import { QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { describe, expect, it } from 'vitest';
import { QueueKeys } from '../../libs/elkmq/src/model/keys.js';
import { startClient, valuesOf } from '../support/nest.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing } from '../support/queue.js';
import { startWorker } from '../support/workers.js';
import { openPage, startApplication, useBrowser, type Platform } from './browser.js';

useBrowser();

const HOUR_MS = 3_600_000;
const PARTITIONED = { partitions: 4, partitionsForTests: true };
/** Messages without a key go round the partitions, so each of the four has some. */
const COUNT = 24;

/** A queue with four partitions, each of them with messages that wait, are delayed and are dead. */
async function fillQueue() {
  const redis = await ownRedis();
  const { url } = redis;
  // The worker registers the partitions. It leaves what it cannot handle among the dead letters.
  const options = { queue: 'orders', url, ...PARTITIONED };
  const worker = await startWorker(options, {});
  const client = startClient(options);
  for (let n = 0; n < COUNT; n++) await valuesOf(client.emit('order.lost', { id: n }));
  const admin = closing(new QueueAdmin('orders', url));
  await expect.poll(async () => (await admin.state()).deadLetters).toBe(COUNT);
  await worker.close();
  for (let n = 0; n < COUNT; n++)
    await admin.enqueue(new ServiceEvent(3_600, 'order.placed', `{"id":${String(n)}}`));
  for (let n = 0; n < COUNT; n++)
    await admin.enqueue(new ServiceEvent(3_600, 'order.later', String(n)), { delay: HOUR_MS });
  await client.close();
  return { url, redis: clientOf(redis), admin };
}

describe.each<Platform>(['Express', 'Fastify'])('the console on %s', (platform) => {
  it('shows a queue with partitions as one queue, and acts on messages of each partition', async () => {
    const { url, redis, admin } = await fillQueue();
    const used = await redis.keys('*(dead_letters)');
    expect(used.length).toBe(4);
    expect(used).toContain(new QueueKeys('orders', false).deadLetters);
    const address = await startApplication(platform, { redis: url });
    const page = await openPage(address);
    await page.getByRole('row', { name: /^orders/ }).waitFor();
    expect(await page.getByRole('row').count()).toBe(2);
    await page.getByRole('link', { name: 'orders', exact: true }).click();
    for (const state of ['waiting', 'delayed', 'dead'])
      await page.getByRole('link', { name: `${state} ${String(COUNT)}` }).waitFor();

    // Each message of the list is there once, with the partition in its id.
    await page.getByRole('row').nth(COUNT).waitFor();
    const ids = await page
      .getByRole('table', { name: 'waiting messages' })
      .getByRole('link')
      .allTextContents();
    expect(new Set(ids).size).toBe(COUNT);
    expect(new Set(ids.map((id) => id.split(':')[0]))).toEqual(new Set(['0', '1', '2', '3']));
    await page
      .getByRole('link', { name: String(ids.find((id) => id.startsWith('2:'))), exact: true })
      .click();
    await page.getByRole('heading', { name: /^Message 2:/ }).waitFor();
    await page.getByText('order.placed').first().waitFor();
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('button', { name: 'Remove 1 message' }).click();
    await page.getByText('1 message was removed.').waitFor();
    await expect.poll(async () => (await admin.state()).waiting).toBe(COUNT - 1);

    await page.goto(`${address}/#/queue?queue=orders&tab=dead`);
    await page.getByRole('button', { name: `Select ${String(COUNT)} messages` }).click();
    await page.getByRole('button', { name: 'Retry selected' }).click();
    await page.getByRole('button', { name: `Retry ${String(COUNT)} messages` }).click();
    await page.getByText(`${String(COUNT)} messages were put back into the queue.`).waitFor();

    await page.goto(`${address}/#/queue?queue=orders&tab=search`);
    await page.getByLabel('Pattern').fill('order.lost');
    await page.keyboard.press('Enter');
    await page.getByText(`${String(COUNT)} messages found.`).waitFor();
    await page.getByRole('button', { name: `Move all that match (${String(COUNT)})`, exact: true }).click();
    await page.getByRole('textbox', { name: 'To the queue' }).fill('lost');
    await page.keyboard.press('Enter');
    await page.getByText(`${String(COUNT)} messages were moved.`).waitFor();
    expect(await admin.state()).toMatchObject({ waiting: COUNT - 1, deadLetters: 0, delayed: COUNT });

    await page.goto(`${address}/#/queue?queue=orders&tab=delayed`);
    await page.getByRole('button', { name: 'Remove all delayed' }).click();
    await page.getByRole('button', { name: `Remove all ${String(COUNT)} delayed messages` }).click();
    await page.getByText(`${String(COUNT)} messages removed.`).waitFor();
    await page.getByRole('button', { name: 'Pause the queue' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Pause the queue' }).click();
    await page.getByText(/The queue was paused/).waitFor();
    expect(await admin.state()).toMatchObject({ waiting: COUNT - 1, delayed: 0, partitions: 4 });
    expect(await closing(new QueueAdmin('lost', url)).state()).toMatchObject({ waiting: COUNT });
  });
});
