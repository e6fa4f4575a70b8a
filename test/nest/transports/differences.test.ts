import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { expect, it } from 'vitest';
import { areas } from './areas.js';
import { type TransportName } from './transport.js';

const file = fileURLToPath(new URL('../../../docs/comparison.md', import.meta.url));
const [begin, end] = ['<!-- differences: written by test/transports -->', '<!-- end -->'];
const transports: TransportName[] = ['TCP', 'Redis', 'NATS', 'RMQ', 'ElkMQ'];

/** What the suite has found where a transport differs, one row each. */
function table(): string {
  const rows = areas.flatMap(({ behaviours }) =>
    behaviours
      .filter(({ otherwise }) => otherwise)
      .map(({ name, otherwise }) => [
        name.replaceAll('|', '\\|'),
        ...transports.map((transport) => otherwise?.[transport]?.says ?? 'yes'),
      ]),
  );
  const lines = [['', ...transports], ['', ...transports].map(() => '---'), ...rows];
  return lines.map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

it('the differences between transports in the docs are those that the suite finds (vitest -u writes them)', async () => {
  const text = await readFile(file, 'utf8');
  const [before, after] = [text.indexOf(begin), text.indexOf(end)];
  const written = `${text.slice(0, before + begin.length)}\n\n${table()}\n\n${text.slice(after)}`;
  const options = { ...(await resolveConfig(file)), filepath: file };
  await expect(await format(written, options)).toMatchFileSnapshot(file);
});
