import { QueueAdmin, Schedules, ServiceEvent, type Schedule } from 'nestjs-elkmq';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing } from '../support/queue.js';
import { findBarriers, openPage, startApplication, useBrowser, type Platform } from './browser.js';

useBrowser();

const HOUR_MS = 3_600_000;
/** Markup, and characters that turn the direction or are not seen. */
const HOSTILE = '<img src=x onerror="alert(1)">\u202e\u200b';

const SCHEDULES: readonly Schedule[] = [
  {
    ...{ name: 'nightly-report', cron: '0 3 * * *', timezone: 'America/Argentina/ComodRivadavia' },
    ...{ action: 'report.build.of-the-night', data: { secret: 'hunter2' } },
  },
  { name: 'yearly', cron: '0 0 1 1 *', missed: 'none' },
  { name: HOSTILE, cron: '0 0 1 1 *' },
];

/** A queue `reports` with schedules, of which the first is due in more than five hours, and a queue without. */
async function startReports() {
  const redis = await ownRedis();
  const schedules = closing(new Schedules('reports', redis.url));
  for (const schedule of SCHEDULES) await schedules.declare(schedule);
  const due = Date.now() + 5.5 * HOUR_MS;
  await clientOf(redis).zadd('reports(schedules_due)', due, 'nightly-report');
  await closing(new QueueAdmin('mails', redis.url)).enqueue(new ServiceEvent(60, 'mail.send', '1'));
  return { redis, schedules, due };
}

async function expectFine(page: Page): Promise<void> {
  expect(await findBarriers(page)).toEqual([]);
  expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBe(0);
}

describe.each<Platform>(['Express', 'Fastify'])('the console on %s', (platform) => {
  it('shows the schedules of a queue, and removes one after a question', async () => {
    const { redis, schedules, due } = await startReports();
    const address = await startApplication(platform, { redis: redis.url, identify: () => 'ada' });
    const page = await openPage(`${address}/#/queue?queue=reports`);
    await page.getByRole('link', { name: 'schedules 3' }).click();
    const row = page.getByRole('table', { name: 'Schedules' }).getByRole('row', { name: /nightly-report/ });
    await row.waitFor();
    const text = await row.innerText();
    for (const part of ['pattern report.build.of-the-night', '0 3 * * *', 'ComodRivadavia', 'one'])
      expect(text.replace(/\s+/g, ' ')).toContain(part);
    expect(text).toContain('in 5 h');
    expect(text).toContain(
      new Date(due)
        .toISOString()
        .replace('T', ' ')
        .replace(/\.\d{3}Z/, ' UTC'),
    );
    expect(text).toMatch(/\d (?:s|min) ago/);
    expect(await page.getByRole('row', { name: /^yearly/ }).innerText()).not.toContain('pattern');
    expect(await page.getByRole('main').innerText()).not.toContain('hunter2');

    await page.getByRole('button', { name: 'Remove nightly-report' }).click();
    await page.getByRole('dialog').getByText('Remove the schedule nightly-report of reports?').waitFor();
    await page.getByRole('button', { name: 'Cancel' }).click();
    expect(await schedules.list()).toHaveLength(3);
    await page.getByRole('button', { name: 'Remove nightly-report' }).click();
    await page.getByRole('button', { name: 'Remove the schedule' }).click();
    await page.getByText('The schedule was removed.').waitFor();
    await row.waitFor({ state: 'detached' });
    await page.getByRole('link', { name: 'schedules 2' }).waitFor();
    expect((await schedules.list()).map(({ name }) => name)).toEqual([HOSTILE, 'yearly']);

    // Another one removes it while the question stands.
    await page.getByRole('button', { name: 'Remove yearly' }).click();
    await schedules.remove('yearly');
    await page.getByRole('button', { name: 'Remove the schedule' }).click();
    await page.getByText('The queue has no schedule "yearly".').waitFor();
    await page.getByRole('button', { name: /^Remove <img/ }).click();
    await page.getByRole('button', { name: 'Remove the schedule' }).click();
    await page.getByText('A schedule is here when a server that declares it has started.').waitFor();
    await page.getByRole('link', { name: 'Action log' }).click();
    await page.getByRole('row', { name: /ada removeSchedule reports nightly-report 1 / }).waitFor();
    expect(await page.getByRole('table').innerText()).toContain(
      '<img src=x onerror="alert(1)">\\u{202e}\\u{200b}',
    );
  });
});

it('the console has no part for schedules where a queue has none, and says why Redis does not tell them', async () => {
  const { redis } = await startReports();
  const address = await startApplication('Express', { redis: redis.url });
  const page = await openPage(`${address}/#/queue?queue=mails`);
  await page.getByRole('cell', { name: 'mail.send' }).waitFor();
  // The page has shown the answer before when it asks again.
  await page.waitForResponse(/api\/schedules/);
  expect(await page.getByRole('link', { name: /^schedules/ }).count()).toBe(0);
  await clientOf(redis).set('mails(schedules)', 'no hash');
  await page.getByText(/Redis refuses a call of the schedules: .*WRONGTYPE/).waitFor();
  await page.getByRole('cell', { name: 'mail.send' }).waitFor();
});

it('a console that is read-only shows schedules, and removes none', async () => {
  const { redis } = await startReports();
  const address = await startApplication('Fastify', { redis: redis.url, readOnly: true });
  const page = await openPage(`${address}/#/queue?queue=reports&tab=schedules`);
  await page.getByRole('row').nth(3).waitFor();
  expect(await page.getByRole('main').getByRole('button').count()).toBe(0);
});

it.each([
  ['in light colours', {}],
  ['in dark colours', { colorScheme: 'dark' }],
  ['on the narrowest screen that has tables', { viewport: { width: 833, height: 540 } }],
  ['on a screen of 360 pixels', { viewport: { width: 360, height: 640 } }],
] as const)('the schedules have no barrier that axe knows, and fit, %s', async (_what, options) => {
  const { redis } = await startReports();
  const address = await startApplication('Express', { redis: redis.url });
  const page = await openPage(`${address}/#/queue?queue=reports&tab=schedules`, options);
  await page.getByRole('button', { name: 'Remove nightly-report' }).waitFor();
  await expectFine(page);
  await page.getByRole('button', { name: /^Remove <img/ }).click();
  await page.getByRole('dialog').waitFor();
  await expectFine(page);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.goto(`${address}/#/queue?queue=nothing&tab=schedules`);
  await page.getByText('No schedule').waitFor();
  await expectFine(page);
});
