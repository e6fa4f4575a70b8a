import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KEPT_MINUTES } from '../../libs/elkmq/src/admin/queue-rates.js';
import { STARTS_ANEW } from '../../libs/elkmq/src/dead-letters/dead-letter.js';
import { HAS_ANSWERED, WON } from '../../libs/elkmq/src/model/deliveries.js';

const SHARED = new URL('../../libs/elkmq/src/redis/lua/shared/', import.meta.url);

/** The first group of the only match in a piece of the scripts. */
function partOf(file: string, pattern: RegExp): string {
  const matches = [...readFileSync(new URL(file, SHARED), 'utf8').matchAll(pattern)];
  expect(matches).toHaveLength(1);
  return matches[0]?.[1] ?? '';
}

it('the meaning of a count of deliveries is the same in scripts', () => {
  const values = partOf('deliveries.lua', /^local WON, HAS_ANSWERED = (.*)$/gm);
  expect(values).toBe(`${String(WON)}, ${String(HAS_ANSWERED)}`);
});

it('the fields that a new message of a dead letter does not get are the same in scripts', () => {
  const list = partOf('dead_letters/revived.lua', /^local STARTS_ANEW = \{([^}]*)\}$/gm);
  const names = [...list.matchAll(/(\w+) = true,/g)].map(([, name]) => name);
  expect(names.sort()).toEqual([...STARTS_ANEW].sort());
});

it('the number of minutes that rates are kept for is the same in scripts', () => {
  expect(partOf('rate_minutes.lua', /^local KEPT_MINUTES = (\d+)$/gm)).toBe(String(KEPT_MINUTES));
});
