import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { EventQueue, QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { startClient, told } from '../support/nest.js';
import { ownRedis } from '../support/own-redis.js';
import { closing } from '../support/queue.js';
import { findBarriers, openPage, startApplication, useBrowser, type Platform } from './browser.js';
import { clientOf, startShop } from './shop.js';

useBrowser();

/** The number of points of the first chart that have a colour. */
function countDrawn(page: Page): Promise<number> {
  return page.evaluate<number>(`(() => {
    const canvas = document.querySelector('.chart canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, index) => index % 4 === 3 && value > 0).length;
  })()`);
}

describe.each<Platform>(['Express', 'Fastify'])(
  'in an application on %s, below /a/b/elkmq, the console',
  (platform) => {
    it('shows the queues, filters and sorts them, and leads to each', async () => {
      const { redis } = await startShop();
      const page = await openPage(await startApplication(platform, { redis: redis.url }));
      expect(new URL(page.url()).pathname).toBe('/a/b/elkmq/');
      const queues = page.getByRole('table', { name: 'Queues' });
      await queues.getByRole('row').nth(2).waitFor();
      expect(await queues.getByRole('row').nth(1).innerText()).toMatch(/^mails\s+6\s/);
      expect(await queues.getByRole('row').nth(2).innerText()).toMatch(/^orders\s+0\s+–\s+1\s+3\s+5\s+1$/);
      const line = queues.getByRole('row').nth(2).getByRole('img');
      expect(await line.getAttribute('aria-label')).toMatch(
        /^[\d,]+ handled in the last hour, at most \d+ in a minute$/,
      );
      await page.getByLabel('Order by').selectOption('dead');
      await page.waitForURL(/order=dead/);
      expect(await queues.getByRole('row').nth(1).innerText()).toMatch(/^orders/);
      await page.getByLabel('Filter').fill('MAI');
      expect(await queues.getByRole('link').allInnerTexts()).toEqual(['mails']);
      await queues.getByRole('link', { name: 'mails' }).click();
      await page.getByText('no worker takes them').waitFor();
    });

    it('lists the messages of each state in pages, and says what an empty state means', async () => {
      const { redis, orders } = await startShop();
      const address = await startApplication(platform, { redis: redis.url });
      const page = await openPage(`${address}/#/queue?queue=orders`);
      await page.getByText('Workers have taken all messages, or nobody has sent one.').waitFor();
      await page.getByRole('link', { name: 'running 1' }).click();
      await page.getByRole('cell', { name: 'order.shipped.event' }).waitFor();
      expect(await page.getByRole('checkbox').count()).toBe(0);
      await page.getByRole('link', { name: 'delayed 3' }).click();
      await page
        .getByRole('cell', { name: /^in 59 min/ })
        .first()
        .waitFor();
      for (let number = 0; number < 60; number++)
        await orders.enqueue(new ServiceEvent(60, `later.${String(number)}`, null), {
          delay: 7_200_000 + number,
        });
      await page.getByRole('cell', { name: 'later.46', exact: true }).waitFor();
      await page.getByRole('link', { name: 'Next page' }).click();
      await page.getByRole('cell', { name: 'later.59', exact: true }).waitFor();
      expect(await page.getByRole('cell', { name: 'later.46', exact: true }).count()).toBe(0);
      await page.getByRole('link', { name: 'First page' }).click();
      await page.getByRole('cell', { name: 'later.0', exact: true }).waitFor();
    });

    it('tells the number that a purge removes: messages behind another one of their key stay', async () => {
      const redis = await ownRedis();
      const events = closing(new EventQueue('payments', redis.url));
      for (const orderingKey of ['a', 'a', 'a', 'b'])
        await events.enqueue(new ServiceEvent(60, 'paid', '1'), { orderingKey });
      const address = await startApplication(platform, { redis: redis.url });
      const page = await openPage(`${address}/#/queue?queue=payments`);
      await page.getByRole('link', { name: 'waiting 4' }).waitFor();
      await page.getByRole('button', { name: 'Remove all waiting' }).click();
      await page.getByRole('button', { name: 'Remove all 2 waiting messages' }).click();
      await page.getByText('2 messages removed.').waitFor();
      await page.getByRole('link', { name: 'ordered 1' }).click();
      await page.getByRole('columnheader', { name: 'Ordering key' }).waitFor();
      await page.getByRole('cell', { name: 'a', exact: true }).waitFor();
    });

    it('retries dead letters that are selected after a question, and a worker handles them', async () => {
      const { redis, orders, handled, repair } = await startShop();
      repair();
      const address = await startApplication(platform, { redis: redis.url });
      const page = await openPage(`${address}/#/queue?queue=orders&tab=dead`);
      await page.getByRole('row').nth(5).waitFor();
      for (const row of [1, 2]) await page.getByRole('row').nth(row).getByRole('checkbox').check();
      await page.getByRole('button', { name: 'Retry selected' }).click();
      await page.getByRole('button', { name: 'Cancel' }).click();
      await page.getByRole('button', { name: 'Retry selected' }).click();
      await page.getByRole('button', { name: 'Retry 2 messages' }).click();
      await page.getByText('2 messages were put back into the queue.').waitFor();
      await page.getByRole('link', { name: 'dead 3' }).waitFor();
      await expect.poll(() => handled).toMatchObject([{ id: 4715 }, { id: 4714 }]);
      await page.getByRole('button', { name: 'Select 3 messages' }).click();
      await page.getByRole('button', { name: 'Remove selected' }).click();
      await page.getByRole('button', { name: 'Remove 3 messages' }).click();
      await page.getByText('3 messages were removed.').waitFor();
      await page.getByText('Every message was handled.').waitFor();
      expect(await orders.state()).toMatchObject({ deadLetters: 0, delayed: 3 });
    });

    it('moves messages to a queue that it asks for, and tells what stays and why', async () => {
      const redis = await ownRedis();
      const [from, to] = ['mails', 'mails-later'].map((name) => closing(new QueueAdmin(name, redis.url)));
      for (const n of [1, 2, 3]) await from?.enqueue(new ServiceEvent(60, 'mail.send', String(n)));
      const client = startClient({ queue: 'mails', url: redis.url });
      const asking = told(client.send('mail.count', 1));
      await expect.poll(async () => (await from?.state())?.waiting).toBe(4);
      const address = await startApplication(platform, { redis: redis.url, identify: () => 'ada' });
      const page = await openPage(`${address}/#/queue?queue=mails&tab=waiting`);
      await page.getByRole('row').nth(4).waitFor();
      await page.getByRole('row').nth(1).getByRole('checkbox').check();
      await page.getByRole('button', { name: 'Move selected', exact: true }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByRole('button', { name: 'Move 1 message', exact: true }).click();
      // Without the name of a queue nothing is moved.
      await dialog.getByRole('textbox', { name: 'To the queue' }).fill('mails-later');
      expect(await findBarriers(page)).toEqual([]);
      await page.keyboard.press('Enter');
      await page.getByText('1 message was moved.').waitFor();
      await page.getByRole('button', { name: 'Select 3 messages' }).click();
      await page.getByRole('button', { name: 'Move selected', exact: true }).click();
      await dialog.getByRole('textbox', { name: 'To the queue' }).fill('mails-later');
      await dialog.getByRole('button', { name: 'Move 3 messages', exact: true }).click();
      await page.getByText('2 messages were moved. Not moved: 1 requests.').waitFor();
      expect((await to?.messages('waiting'))?.messages.map(({ payload }) => payload)).toEqual([1, 2, 3]);
      await page.goto(`${address}/#/actions`);
      await page.getByRole('row', { name: /ada move to mails-later mails .* 2 / }).waitFor();
      await client.close();
      await asking;
    });

    it('searches, says how far it is, and acts on all that match after a count', async () => {
      const { redis, orders, handled, repair } = await startShop();
      repair();
      const address = await startApplication(platform, { redis: redis.url });
      const page = await openPage(`${address}/#/queue?queue=orders`);
      await page.getByRole('link', { name: 'search' }).click();
      await page.getByLabel('Pattern').fill('order.placed*');
      await page.getByLabel('Header').fill('tenant=globex');
      await page.getByLabel('State').selectOption('dead');
      await page.keyboard.press('Enter');
      await page.getByText('Searched 5 of 5. 4 messages found.').waitFor();
      await page.reload();
      await page.getByText('Searched 5 of 5. 4 messages found.').waitFor();
      await page.getByRole('button', { name: 'Retry all that match (4)' }).click();
      await page.getByRole('button', { name: 'Retry 4 messages' }).click();
      await page.getByText('4 messages were put back into the queue.').waitFor();
      await expect.poll(() => handled.length).toBe(4);
      await page.getByLabel('Header').fill('');
      await page.getByLabel('Text in the payload').fill('4713');
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText('1 message found.').waitFor();
      await page.getByRole('button', { name: 'Remove all that match (1)' }).click();
      await page.getByRole('button', { name: 'Remove 1 message' }).click();
      await page.getByText('1 message was removed.').waitFor();
      expect(await orders.state()).toMatchObject({ deadLetters: 0 });
      await page.getByRole('button', { name: 'Search' }).click();
      await page.getByText('Nothing matches').waitFor();
    });

    it('shows one message whole, with all digits of its numbers, and acts on it', async () => {
      const { redis, orders, handled, repair } = await startShop();
      repair();
      const address = await startApplication(platform, { redis: redis.url });
      const page = await openPage(`${address}/#/queue?queue=orders&tab=dead`);
      await page.getByRole('row').nth(3).getByRole('link').click();
      await page.getByRole('heading', { name: 'Payload' }).waitFor();
      const text = await page.getByRole('main').innerText();
      for (const part of [
        'dead: failed',
        'order.placed.event',
        '0af7651916cd43dd8448eb211c80319c',
        'PriceError: the article "pen" has no price',
        'at PriceList.priceOf (/srv/orders/prices.js:31:11)',
        'acme',
        'account: 90071992547409931234567',
        'total: 1.10',
      ])
        expect(text).toContain(part);
      await page.getByText('Raw').click();
      await page.getByLabel('Raw payload').waitFor();
      expect(await page.getByLabel('Raw payload').innerText()).toContain(
        '"account":90071992547409931234567,"total":1.10',
      );
      await page.getByRole('button', { name: 'Retry' }).click();
      await page.getByRole('button', { name: 'Retry 1 message' }).click();
      await page.getByText('1 message was put back into the queue.').waitFor();
      await page.getByText('There is no such message now').waitFor();
      await expect.poll(() => handled).toMatchObject([{ id: 4713 }]);

      const [delayed] = (await orders.messages('delayed')).messages;
      await page.goto(`${address}/#/message?queue=orders&id=${String(delayed?.id)}`);
      await page.getByRole('button', { name: 'Run now' }).click();
      await page.getByRole('button', { name: 'Run now 1 message' }).click();
      await page.getByText('1 message was put into the queue.').waitFor();
      await expect.poll(() => handled).toMatchObject([{ id: 4713 }, { id: 4801 }]);
    });

    it('shows the errors of the attempts before', async () => {
      const { redis } = await startShop();
      const errors = [
        { attempt: 1, at: Date.now(), name: 'MailError', message: 'no <b>route</b>', stack: ' at x' },
      ];
      const id = await clientOf(redis).xadd(
        'mails(event_stream)',
        '*',
        ...['event', '{"request_uuid":7,"timeout":60,"action":"mail.send","payload":null}', 'reply_to', ''],
        ...['origin', '1-1', 'attempt', '2', 'errors', JSON.stringify(errors)],
      );
      const address = await startApplication(platform, { redis: redis.url });
      const page = await openPage(`${address}/#/message?queue=mails&id=${String(id)}`);
      await page.getByRole('heading', { name: 'Earlier attempts' }).waitFor();
      await page.getByText('MailError: no <b>route</b>').waitFor();
      await page.getByText('Stack', { exact: true }).click();
      await page.getByRole('region', { name: 'Stack of attempt 1' }).waitFor();
    });

    it('draws what was done in 1, 24 and 48 hours, and has the same numbers in a table', async () => {
      const { redis } = await startShop();
      const address = await startApplication(platform, { redis: redis.url });
      const page = await openPage(`${address}/#/queue?queue=orders`);
      await page.getByRole('link', { name: 'rates' }).click();
      await page.getByRole('img', { name: /^Messages in each minute\. In all [\d,]+ sent/ }).waitFor();
      await page.getByRole('img', { name: /^Time until handled in each minute\. The longest was/ }).waitFor();
      expect(await countDrawn(page)).toBeGreaterThan(500);
      await page.getByText('The same as a table').click();
      const table = page.getByRole('table', { name: 'Rates' });
      await table.getByRole('row').nth(50).waitFor();
      await page.getByRole('link', { name: '24 h' }).click();
      await page.getByRole('img', { name: /^Messages in each 10 minutes/ }).waitFor();
      await page.reload();
      await page.getByRole('img', { name: /^Messages in each 10 minutes/ }).waitFor();
      await page.getByRole('link', { name: '48 h' }).click();
      await page.getByRole('img', { name: /^Messages in each 20 minutes/ }).waitFor();
      await page.goto(`${address}/#/queue?queue=mails&tab=rates`);
      await page.getByText('sent', { exact: true }).waitFor();
    });

    it('shows the workers and a log of what was done, also with an identity', async () => {
      const { redis } = await startShop();
      const address = await startApplication(platform, { redis: redis.url, identify: () => 'ada' });
      const page = await openPage(`${address}/#/workers`);
      await page.getByRole('cell', { name: '1 of 16' }).waitFor();
      await page.getByText('3', { exact: true }).click();
      await page.getByText('order.shipped.event').waitFor();
      await page.getByRole('link', { name: 'Action log' }).click();
      await page.getByText('Nobody has changed anything').waitFor();
      await page.goto(`${address}/#/queue?queue=mails`);
      await page.getByRole('button', { name: 'Remove all waiting' }).click();
      await page.getByRole('button', { name: 'Remove all 6 waiting messages' }).click();
      await page.getByText('6 messages removed.').waitFor();
      await page.getByRole('link', { name: 'Action log' }).click();
      await page.getByRole('row', { name: /ada purge mails all waiting 6/ }).waitFor();
    });

    it('pauses a queue after a question, says so, and resumes it', async () => {
      const { redis, orders } = await startShop();
      const address = await startApplication(platform, { redis: redis.url, identify: () => 'ada' });
      const page = await openPage(`${address}/#/queue?queue=orders`);
      await page.getByRole('button', { name: 'Pause the queue' }).click();
      await page.getByRole('dialog').getByRole('button', { name: 'Pause the queue' }).click();
      await page.getByText('The queue was paused').waitFor();
      expect((await orders.state()).paused).toMatchObject({ by: 'ada' });
      await page.getByRole('link', { name: 'Queues' }).click();
      await page.getByRole('cell', { name: 'orders paused' }).waitFor();
      await page.getByRole('link', { name: 'orders' }).click();
      await page.getByRole('button', { name: 'Resume the queue' }).click();
      await page.getByText('The queue goes on.').waitFor();
      await page.getByText('The queue was paused').waitFor({ state: 'detached' });
      expect((await orders.state()).paused).toBeUndefined();
    });

    it('offers no action when it is read-only, and shows when the server refuses or is away', async () => {
      const { redis } = await startShop();
      const address = await startApplication(platform, { redis: redis.url, readOnly: true });
      const page = await openPage(`${address}/#/queue?queue=orders&tab=dead`);
      await page.getByRole('row').nth(5).waitFor();
      expect(await page.getByRole('checkbox').count()).toBe(0);
      expect(await page.getByRole('main').getByRole('button').count()).toBe(0);
      await page.route('**/api/**', (route) => route.abort());
      await page.getByText('The console does not answer.').first().waitFor();
      await page.unroute('**/api/**');
      await page.getByText('The console does not answer.').first().waitFor({ state: 'detached' });
      expect(await page.getByRole('row').count()).toBe(6);
    });

    it('is live, and stands still when it is paused', async () => {
      const { redis, orders } = await startShop();
      const address = await startApplication(platform, { redis: redis.url });
      const page = await openPage(`${address}/#/queue?queue=orders&tab=delayed`);
      await page.clock.install();
      await page.reload();
      await page.getByRole('row').nth(3).waitFor();
      await orders.enqueue(new ServiceEvent(60, 'one.more', null), { delay: 1 });
      await orders.enqueue(new ServiceEvent(60, 'comes.live', null), { delay: 60_000 });
      await page.getByRole('cell', { name: 'comes.live' }).waitFor();
      await page.getByRole('button', { name: 'Live: pause' }).click();
      // It reads once more when it is paused, so that what is shown is of that moment.
      await page.waitForLoadState('networkidle');
      const calls: string[] = [];
      page.on('request', (request) => {
        if (request.url().includes('/api/')) calls.push(request.url());
      });
      await orders.enqueue(new ServiceEvent(60, 'comes.later', null), { delay: 60_000 });
      await page.getByRole('link', { name: 'Queues' }).click();
      await page.getByRole('link', { name: 'orders' }).waitFor();
      // A minute of the page's own clock: a page that is live would have asked again.
      await page.clock.fastForward(60_000);
      expect(calls).toEqual([`${address}/api/queues`]);
      await page.getByRole('button', { name: 'Paused: go on' }).click();
      await page.goto(`${address}/#/queue?queue=orders&tab=delayed`);
      await page.getByRole('cell', { name: 'comes.later' }).waitFor();
    });
  },
);
