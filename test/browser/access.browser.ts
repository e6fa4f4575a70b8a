import { describe, expect, it } from 'vitest';
import type { Page } from 'playwright-core';
import { findBarriers, openPage, startApplication, useBrowser } from './browser.js';
import { startShop } from './shop.js';

useBrowser();

/** Visits each view, and each state of a view that looks different, and calls `look` in it. */
async function visitAll(page: Page, address: string, look: (view: string) => Promise<void>): Promise<void> {
  const views: [view: string, shows: string][] = [
    ['', 'mails'],
    ['queue?queue=mails', 'mail.send'],
    ['queue?queue=orders&tab=running', 'order.shipped.event'],
    ['queue?queue=orders&tab=delayed', 'order.placed.event'],
    ['queue?queue=orders&tab=dead', 'PriceError'],
    ['queue?queue=orders&tab=search&text=47&go=1', 'messages found.'],
    ['queue?queue=orders&tab=rates', 'Time until handled'],
    ['queue?queue=nothing&tab=rates', 'Nothing happened in this time'],
    ['queue?queue=orders&tab=workers', '1 of 16'],
    ['queue?queue=nothing', 'No waiting message'],
    ['workers', '1 of 16'],
    ['topics', 'order.*'],
    ['actions', 'Nobody has changed anything'],
    ['message?queue=orders&id=1-1', 'There is no such message now'],
    ['nowhere', 'There is no such page'],
  ];
  for (const [view, shows] of views) {
    await page.goto(`${address}/#/${view}`);
    await page.getByText(shows).first().waitFor();
    await look(view);
  }
  await page.goto(`${address}/#/queue?queue=orders&tab=dead`);
  await page.getByRole('table').getByRole('link').first().click();
  await page.getByRole('heading', { name: 'Payload' }).waitFor();
  await page.getByText('Raw').click();
  await look('message');
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('dialog').waitFor();
  await look('question');
  await page.getByRole('button', { name: 'Remove 1 message' }).click();
  await page.getByText('1 message was removed.').waitFor();
  await look('notice');
}

describe.each([
  ['in light colours', {}],
  ['in dark colours', { colorScheme: 'dark' }],
  ['on the narrowest screen that has tables', { viewport: { width: 833, height: 540 } }],
  ['on a screen of 360 pixels', { viewport: { width: 360, height: 640 } }],
] as const)('the console %s', (_what, options) => {
  it('has no barrier that axe knows, in any view', async () => {
    const { redis } = await startShop();
    const address = await startApplication('Express', { redis: redis.url });
    const page = await openPage(address, options);
    await visitAll(page, address, async (view) => {
      expect([view, await findBarriers(page)]).toEqual([view, []]);
      const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
      expect([view, overflow]).toEqual([view, 0]);
    });
  });
});

it('the console has other colours where the system is dark', async () => {
  const { redis } = await startShop();
  const address = await startApplication('Fastify', { redis: redis.url });
  const colours: unknown[] = [];
  for (const colorScheme of ['light', 'dark'] as const) {
    const page = await openPage(address, { colorScheme });
    colours.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
  }
  expect(colours).toEqual(['rgb(251, 250, 248)', 'rgb(21, 24, 27)']);
});

it('the console can be used with the keyboard alone: from the list of queues to a message that is retried', async () => {
  const { redis, handled, repair } = await startShop();
  repair();
  const address = await startApplication('Express', { redis: redis.url });
  const page = await openPage(address);
  await page.getByRole('link', { name: 'orders' }).waitFor();
  const focused = (): Promise<string> => page.evaluate('document.activeElement.innerText ?? ""');
  /** Presses Tab until the element with this text has the focus, as a user would, who sees where it is. */
  const tabTo = async (text: RegExp): Promise<void> => {
    const seen: string[] = [];
    while (!text.test(await focused())) {
      await page.keyboard.press('Tab');
      seen.push(await focused());
      if (seen.length > 40) throw new Error(`no ${String(text)} among ${seen.join(', ')}`);
    }
    expect(await page.evaluate('getComputedStyle(document.activeElement).outlineStyle')).toBe('solid');
  };
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('Skip to the content');
  await page.keyboard.press('Enter');
  await tabTo(/^orders$/);
  await page.keyboard.press('Enter');
  await tabTo(/^dead/);
  await page.keyboard.press('Enter');
  await page.getByRole('row').nth(5).waitFor();
  await tabTo(/^Select 5 messages$/);
  await page.keyboard.press('Space');
  await tabTo(/^Retry selected$/);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  expect(await focused()).toBe('Retry selected');
  await page.keyboard.press('Enter');
  await tabTo(/^Retry 5 messages$/);
  await page.keyboard.press('Enter');
  await page.getByText('5 messages were put back into the queue.').waitFor();
  await expect.poll(() => handled.length).toBe(5);
});
