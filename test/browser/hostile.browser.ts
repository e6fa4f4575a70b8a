import { QueueAdmin, ServiceEvent } from 'nestjs-elkmq';
import { expect, it } from 'vitest';
import { deadLetter } from '../support/dead-letters.js';
import { clientOf, ownRedis } from '../support/own-redis.js';
import { closing } from '../support/queue.js';
import { openPage, startApplication, useBrowser } from './browser.js';

useBrowser();

const MARKUP = '<img src=x onerror="alert(1)"><script>alert(2)</script><a href="javascript:alert(3)">x</a>';
/** Turns the direction, hides characters, and moves the cursor of a terminal. */
const UNSEEN = 'a\u202egnp.exe\u200b\u2066\u0000\u001b[2J\ufeff';

const PAYLOADS: readonly [what: string, payload: string, shown: string][] = [
  ['markup', JSON.stringify({ [MARKUP]: MARKUP }), '<script>alert(2)</script>'],
  [
    'huge numbers',
    '{"n":[123456789012345678901234567890,1e400,-0,0.1000]}',
    '123456789012345678901234567890',
  ],
  ['invalid JSON', '{"open":', '{"open":'],
  ['unseen characters', `"${UNSEEN}"`, 'a\\u{202e}gnp.exe\\u{200b}\\u{2066}\\u{0000}\\u{001b}[2J\\u{feff}'],
  ['a prototype', '{"__proto__":{"polluted":true},"constructor":1}', '__proto__'],
  ['a right-to-left text', '"שלום עולם"', 'שלום עולם'],
  ['a long word', `"${'x'.repeat(50_000)}"`, 'xxxxx'],
  ['deep JSON', '['.repeat(20_000) + ']'.repeat(20_000), '[[[['],
  ['a long list', JSON.stringify(Array.from({ length: 20_000 }, (_, index) => index)), '20,000 elements'],
];

it.each(PAYLOADS)(
  '%s is shown as it is, in the lists, the search and the message',
  async (_what, payload, shown) => {
    const redis = await ownRedis();
    const admin = closing(new QueueAdmin('orders', redis.url));
    const headers = { [MARKUP]: MARKUP, unseen: UNSEEN };
    const id = await admin.enqueue(new ServiceEvent(3_600, `${MARKUP}${UNSEEN}`, payload), { headers });
    const address = await startApplication('Fastify', { redis: redis.url });
    const page = await openPage(`${address}/#/queue?queue=orders`, { viewport: { width: 360, height: 640 } });
    for (const view of ['queue?queue=orders', 'queue?queue=orders&tab=search&go=1']) {
      await page.goto(`${address}/#/${view}`);
      await page.getByRole('link', { name: id }).waitFor();
      expect(await page.getByRole('table').innerText()).toContain('<img src=x onerror="alert(1)">');
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    }
    await page.getByRole('link', { name: id }).click();
    await page.getByRole('heading', { name: 'Payload' }).waitFor();
    const raw = page.getByText('Raw');
    if (await page.getByLabel('Raw payload').isHidden()) await raw.click();
    const text = await page.getByRole('main').innerText();
    expect(text).toContain(shown);
    expect(text).toContain('gnp.exe\\u{200b}');
    // Whatever is unseen is shown as an escape. Line breaks and tabs are of the page itself.
    expect(text.replace(/[\n\t]/g, '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(await page.locator('main img, main script, a[href^="javascript"]').count()).toBe(0);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    expect(await page.evaluate('({}).polluted')).toBeUndefined();
  },
);

it('a payload of 16 MiB is shown from its beginning, and the page goes on', async () => {
  const redis = await ownRedis();
  const admin = closing(new QueueAdmin('orders', redis.url));
  const id = await admin.enqueue(
    new ServiceEvent(3_600, 'big', JSON.stringify('y'.repeat(16 * 1024 * 1024))),
  );
  const address = await startApplication('Express', { redis: redis.url });
  const page = await openPage(`${address}/#/message?queue=orders&id=${id}`);
  await page.getByText('Raw').click();
  await page.getByText('The first 200,000 characters.').waitFor();
  await page.getByRole('link', { name: 'Queues' }).click();
  await page.getByRole('link', { name: 'orders' }).waitFor();
});

it('a queue, a dead letter and a worker that hold markup are shown as they are', async () => {
  const redis = await ownRedis();
  const client = clientOf(redis);
  const queue = `${MARKUP}${UNSEEN}#?&/%2F`;
  const error = { name: MARKUP, message: UNSEEN, stack: `${MARKUP}\n at ${UNSEEN}` };
  const letter = { ...deadLetter(1), error, consumer: MARKUP };
  await client.zadd(`${queue}(dead_letters)`, letter.lastAt, letter.origin);
  await client.hset(`${queue}(dead_letter_bodies)`, letter.origin, JSON.stringify(letter));
  const address = await startApplication('Express', { redis: redis.url });
  const page = await openPage(address);
  await page.getByRole('table').getByRole('link').first().click();
  await page.getByRole('link', { name: 'dead 1' }).click();
  await page.getByRole('link', { name: letter.origin }).click();
  await page.getByLabel('Stack').waitFor();
  expect(await page.getByLabel('Stack').innerText()).toContain('<script>alert(2)</script>');
  await page.getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('button', { name: 'Remove 1 message' }).click();
  await page.getByText('1 message was removed.').waitFor();
  await page.getByRole('link', { name: 'Action log' }).click();
  await page.getByRole('cell', { name: 'remove' }).waitFor();
  expect(await page.getByRole('table').innerText()).toContain('<img src=x onerror="alert(1)">');
  expect(await client.exists(`${queue}(dead_letters)`)).toBe(0);
});

it('an entry that is no event, with bytes that are no text, is shown with its fields', async () => {
  const redis = await ownRedis();
  const client = clientOf(redis);
  const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28]);
  const id = String(await client.call('XADD', 'orders(event_stream)', '*', 'blob', bytes, MARKUP, 'x'));
  const address = await startApplication('Express', { redis: redis.url });
  const page = await openPage(`${address}/#/queue?queue=orders`);
  await page.getByRole('cell', { name: 'no event' }).waitFor();
  await page.getByRole('link', { name: id }).click();
  await page.getByRole('heading', { name: 'Fields of the entry, which is no event' }).waitFor();
  expect(await page.getByRole('main').innerText()).toContain('blob');
});
