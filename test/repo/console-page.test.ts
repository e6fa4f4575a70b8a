import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { readAssets } from '../../libs/console/src/http/assets.js';

const FOLDER = new URL('../../libs/console/dist/page/', import.meta.url);
const MAX_BYTES = 100 * 1024;

it('the page of the console is below 100 kB in all, packed by gzip', () => {
  const assets = [...readAssets(FOLDER).values()];
  const bytes = assets.reduce((sum, { body }) => sum + gzipSync(body).length, 0);
  expect(assets.length).toBeGreaterThan(3);
  expect(bytes).toBeLessThan(MAX_BYTES);
});

it('the page of the console has no script and no style inside, and loads nothing from elsewhere', () => {
  const page = readFileSync(new URL('index.html', FOLDER), 'utf8');
  expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=/);
  const addresses = [...page.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, address]) => address);
  expect(addresses).toHaveLength(3);
  for (const address of addresses) expect(address).toMatch(/^\.\/assets\/\w+-[\w-]{8}\.(?:js|css|svg)$/);
});
