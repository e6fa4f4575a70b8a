import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EventQueue, ServiceEvent } from 'nestjs-elkmq';
import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { closing } from '../support/queue.js';
import { openPage, startApplication, useBrowser } from './browser.js';
import { startShop } from './shop.js';

const FOLDER = new URL('../../docs/console/', import.meta.url);
const MAX_BYTES = 100_000;

useBrowser();

/** Takes a picture. `ELKMQ_PICTURES=1 npm run test:console` keeps it in docs/console. */
async function picture(page: Page, name: string): Promise<void> {
  const png = await page.screenshot({ animations: 'disabled' });
  expect(png.length).toBeLessThan(MAX_BYTES);
  if (process.env['ELKMQ_PICTURES']) writeFileSync(fileURLToPath(new URL(`${name}.png`, FOLDER)), png);
}

it('pictures of each page are small', async () => {
  const shop = await startShop();
  const address = await startApplication('Express', { redis: shop.redis.url, identify: () => 'ada' });
  const page = await openPage(address);
  await page.getByRole('link', { name: 'orders' }).waitFor();
  await picture(page, 'queues');
  await page.getByRole('link', { name: 'orders' }).click();
  await page.getByRole('link', { name: /^dead/ }).click();
  await page
    .getByRole('cell', { name: /PriceError/ })
    .first()
    .waitFor();
  await page.getByRole('checkbox').first().check();
  await picture(page, 'queue');
  await page
    .getByRole('link', { name: /^\d+-\d+$/ })
    .first()
    .click();
  await page.getByRole('heading', { name: 'Payload' }).waitFor();
  await picture(page, 'message');
  await page.goto(`${address}/#/queue?queue=orders&tab=search&text=4713&go=1`);
  await page.getByText('1 message found.').waitFor();
  await picture(page, 'search');
  await page.goto(`${address}/#/queue?queue=orders&tab=rates`);
  await page.getByRole('heading', { name: 'Time until handled' }).waitFor();
  await page.evaluate("document.querySelector('[aria-label=Time]').scrollIntoView()");
  await picture(page, 'rates');
  await page.goto(`${address}/#/queue?queue=orders&tab=dead`);
  await page.getByRole('button', { name: 'Remove all dead' }).click();
  await picture(page, 'question');
  await page.getByRole('button', { name: 'Remove all 5 dead messages' }).click();
  await page.getByText('5 messages removed.').waitFor();
  await page.goto(`${address}/#/workers`);
  await page.getByRole('cell', { name: '1 of 16' }).waitFor();
  await picture(page, 'workers');
  await page.goto(`${address}/#/topics`);
  await page.getByRole('cell', { name: 'order.*' }).waitFor();
  await picture(page, 'topics');
  await page.goto(`${address}/#/actions`);
  await page.getByRole('cell', { name: 'purge' }).waitFor();
  await picture(page, 'actions');
  await storePayments(shop.redis.url);
  await page.goto(`${address}/#/queue?queue=payments&tab=ordered`);
  await page.getByRole('cell', { name: 'payment.captured' }).first().waitFor();
  await picture(page, 'ordered');

  const dark = await openPage(`${address}/#/queue?queue=mails`, { colorScheme: 'dark' });
  await dark.getByRole('cell', { name: 'mail.send' }).first().waitFor();
  await picture(dark, 'dark');
  await dark.goto(`${address}/#/queue?queue=orders&tab=rates&hours=24`);
  await dark.getByRole('heading', { name: 'Time until handled' }).waitFor();
  await dark.evaluate("document.querySelector('[aria-label=Time]').scrollIntoView()");
  await picture(dark, 'rates-dark');
  const narrow = await openPage(`${address}/#/queue?queue=mails`, { viewport: { width: 360, height: 700 } });
  await narrow.getByRole('cell', { name: 'mail.send' }).first().waitFor();
  await picture(narrow, 'narrow');
});

/** Stores payments in the order of their accounts: the first of each account waits, the others are behind it. */
async function storePayments(url: string): Promise<void> {
  const payments = closing(new EventQueue('payments', url));
  for (const account of [1, 2, 1, 1, 2]) {
    const event = new ServiceEvent(3_600, 'payment.captured', `{"account":${String(account)}}`);
    await payments.enqueue(event, { orderingKey: `account-${String(account)}` });
  }
}
