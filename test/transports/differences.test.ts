import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { expect, it } from 'vitest';
import { areas } from './areas.js';
import { type Behaviour } from './behaviour.js';

const file = fileURLToPath(new URL('../../docs/comparison.md', import.meta.url));
const [begin, end] = ['<!-- differences: written by test/transports -->', '<!-- end of differences -->'];

/** Returns what the suite has found where a transport differs: an item for each behaviour. */
function differences(): string {
  return areas
    .flatMap(({ behaviours }) => behaviours)
    .flatMap(({ name, otherwise }) => (otherwise ? [`- ${name}\n${deviationsOf(otherwise)}`] : []))
    .join('\n');
}

/** Transports that do the same are in one line. */
function deviationsOf(otherwise: NonNullable<Behaviour['otherwise']>): string {
  const transportsBySaying = new Map<string, string[]>();
  for (const [transport, { says }] of Object.entries(otherwise)) {
    transportsBySaying.set(says, [...(transportsBySaying.get(says) ?? []), transport]);
  }
  return [...transportsBySaying]
    .map(([says, transports]) => `  - ${transports.join(', ')}: ${says}`)
    .join('\n');
}

it('the differences between transports in the docs are those that the suite finds (vitest -u writes them)', async () => {
  const text = await readFile(file, 'utf8');
  const [before, after] = [text.indexOf(begin), text.indexOf(end)];
  const written = `${text.slice(0, before + begin.length)}\n\n${differences()}\n\n${text.slice(after)}`;
  const options = { ...(await resolveConfig(file)), filepath: file };
  await expect(await format(written, options)).toMatchFileSnapshot(file);
});
