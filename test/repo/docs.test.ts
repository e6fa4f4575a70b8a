import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
// Other tests write into dist meanwhile.
const pages = readdirSync(root)
  .filter((name) => !['node_modules', 'dist', '.git'].includes(name))
  .flatMap((name) => (statSync(join(root, name)).isDirectory() ? filesIn(name) : [name]))
  .filter((file) => file.endsWith('.md') && !/\/(node_modules|dist|target)\//.test(file));

function filesIn(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((file) =>
    join(folder, file),
  );
}

const LONGEST_LINE = 250;

describe.each(pages)('%s', (page) => {
  const text = readFileSync(join(root, page), 'utf8');
  const folder = dirname(join(root, page));

  it('has no link to a file that is not there', () => {
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !existsSync(join(folder, link)))).toEqual([]);
  });

  it('has no link to a heading that is not there', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)];
    const wrong = links.filter(([, file = '', anchor = '']) => {
      const target = file === '' ? join(root, page) : join(folder, file);
      return !existsSync(target) || !anchorsOf(readFileSync(target, 'utf8')).includes(anchor);
    });
    expect(wrong.map(([link]) => link)).toEqual([]);
  });

  it('has no line outside of code that is too long to read in an editor', () => {
    const lines = withoutCode(text).split('\n');
    expect(lines.filter(({ length }) => length > LONGEST_LINE)).toEqual([]);
  });

  it('shows programs in Rust and Python as they are', () => {
    for (const [, file = '', code] of text.matchAll(/^```(?:rust\n\/\/|python\n#) (\S+)\n(.*?)^```$/gms)) {
      expect(code).toBe(readFileSync(join(root, file), 'utf8'));
    }
  });

  it('names tests that exist', () => {
    const missing: string[] = [];
    for (const [, file = '', titles = ''] of text.matchAll(/\]\((\S+\.test\.ts)\)((?:,?\s+"[^"]+")+)/g)) {
      const tests = readFileSync(join(folder, file), 'utf8').toLowerCase();
      for (const [, title = ''] of titles.matchAll(/"([^"]+)"/g)) {
        const inOneLine = title.replace(/\s+/g, ' ').toLowerCase();
        if (!tests.includes(inOneLine)) missing.push(`${file}: ${title}`);
      }
    }
    expect(missing).toEqual([]);
  });
});

function withoutCode(markdown: string): string {
  return markdown.replace(/^```.*?^```$/gms, '');
}

/** The names of headings, as GitHub makes them. */
function anchorsOf(markdown: string): string[] {
  const headings = withoutCode(markdown).matchAll(/^#+ (.+)$/gm);
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
}
