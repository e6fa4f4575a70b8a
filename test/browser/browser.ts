import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { ElkMqConsoleModule, type ElkMqConsoleModuleOptions } from 'elkmq-console/nest';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import { closing } from '../support/queue.js';

export type Platform = 'Express' | 'Fastify';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

let browser: Browser;

/** Has a browser for the tests of a file. */
export function useBrowser(): void {
  beforeAll(async () => {
    const args = [
      '--no-sandbox',
      '--disable-background-networking',
      '--disable-dev-shm-usage',
      '--disable-lcd-text',
    ];
    browser = await chromium.launch({ executablePath: CHROMIUM, args });
  });
  afterAll(() => browser.close());
}

/** Starts an application with the console below `/a/b/elkmq`. @returns the address of the console */
export async function startApplication(
  platform: Platform,
  options: ElkMqConsoleModuleOptions,
): Promise<string> {
  @Module({ imports: [ElkMqConsoleModule.forRoot({ path: '/b/elkmq', ...options })] })
  class AppModule {}
  const app: INestApplication = closing(
    await (platform === 'Express'
      ? NestFactory.create(AppModule)
      : NestFactory.create(AppModule, new FastifyAdapter() as never)),
  );
  app.setGlobalPrefix('a');
  await app.listen(0, '127.0.0.1');
  return `${(await app.getUrl()).replace(/\/$/, '')}/a/b/elkmq`;
}

/**
 * Opens a page of its own until the test is over. The test fails when the page has an error or breaks its
 * policy.
 */
export async function openPage(address: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext({ viewport: { width: 960, height: 540 }, ...options });
  const page = await context.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    // A refused call is in the console too. Tests say what they expect of those.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      errors.push(message.text());
  });
  page.on('dialog', (dialog) => {
    errors.push(`a dialog says ${dialog.message()}`);
    void dialog.dismiss();
  });
  onTestFinished(async () => {
    await context.close();
    expect(errors).toEqual([]);
  });
  await page.goto(address);
  return page;
}

interface Finding {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly html: string; readonly failureSummary?: string }[];
}

/** What axe finds wrong with the page as it is now: WCAG A and AA. */
export async function findBarriers(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const { violations } = await page.evaluate<{ violations: Finding[] }>(
    "axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })",
  );
  return violations.flatMap(({ id, impact, nodes }) =>
    nodes.map(({ html, failureSummary = '' }) => `${String(impact)} ${id}: ${html} ${failureSummary}`),
  );
}
