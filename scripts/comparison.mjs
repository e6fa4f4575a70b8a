// Writes the tables and lists of docs/comparison.md from docs/comparison.json. `--check` only says whether the page is
// what the file makes (used by `npm run lint`).
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A line of a table: a test that shows what is said of this package, a cell for each column, and what there is to say.
 * @typedef {{ what: string, test?: string, cells: string[], notes?: Record<string, string> }} Feature
 * @typedef {Feature & { number: number }} Numbered
 * @typedef {{
 *   columns: string[],
 *   groups: { title: string, features: Feature[] }[],
 *   alone: { what: string, tests: string[] }[],
 * }} Comparison
 */

/** @param {string} file */
const pathOf = (file) => fileURLToPath(new URL(`../docs/${file}`, import.meta.url));
const page = pathOf('comparison.md');
const BEGIN = '<!-- comparison: written by scripts/comparison.mjs -->';
const END = '<!-- end of comparison -->';
const WIDTH = 110;

/** @type {Comparison} */
const { columns, groups, alone } = JSON.parse(readFileSync(pathOf('comparison.json'), 'utf8'));
const OURS = 'ElkMQ';

let number = 0;
const sections = groups.map(({ title, features }) => {
  const numbered = features.map((feature) => ({ ...feature, number: ++number }));
  // Without the padding that Prettier gives to a table.
  const table = ['<!-- prettier-ignore -->', ...tableOf(numbered)].join('\n');
  return [`### ${title}`, table, numbered.flatMap(notesOf).join('\n')].join('\n\n');
});
const unique = alone.map(({ what, tests }) => wrap(`${what}: ${tests.map(linkTo).join(', ')}`));
const content = [...sections, '### What none of the others has', unique.join('\n')].join('\n\n');

const current = readFileSync(page, 'utf8');
const [from, to] = [current.indexOf(BEGIN), current.indexOf(END)];
if (from < 0 || to < from) throw new Error(`${page} has no section ${BEGIN} … ${END}`);
const written = `${current.slice(0, from + BEGIN.length)}\n\n${content}\n\n${current.slice(to)}`;
if (process.argv.includes('--check')) {
  if (current !== written) {
    console.error(`${page} is not what comparison.json makes: run \`node scripts/comparison.mjs\`.`);
    process.exit(1);
  }
} else if (current !== written) {
  writeFileSync(page, written);
}

/** @param {Numbered[]} features */
function tableOf(features) {
  const rows = features.map(({ number, what, test, cells, notes }) => {
    if (cells.length !== columns.length) throw new Error(`${what}: ${columns.length} cells are needed`);
    if (cells[0] === 'yes' && test === undefined && notes?.[OURS] === undefined) {
      throw new Error(`${what}: a test or a note must show the yes of ${OURS}`);
    }
    const [own = '', ...others] = cells;
    return [`${number}. ${what}`, test === undefined ? own : `[${own}](../${test})`, ...others];
  });
  return [['', ...columns], ['', ...columns].map(() => '-'), ...rows].map((row) => `| ${row.join(' | ')} |`);
}

/** @param {Numbered} feature */
function notesOf({ number, notes = {} }) {
  const unknown = Object.keys(notes).filter((name) => !columns.includes(name));
  if (unknown.length > 0) throw new Error(`${number}: there is no column ${unknown.join(', ')}`);
  const each = Object.entries(notes).map(([name, note]) => `_${name}_: ${note}.`);
  return each.length === 0 ? [] : [wrap(`**${number}.** ${each.join(' ')}`)];
}

/** @param {string} test */
function linkTo(test) {
  return `[${basename(test, '.test.ts')}](../${test})`;
}

/**
 * Makes an item of a list, in lines of readable length. Code is not broken.
 * @param {string} text
 */
function wrap(text) {
  const lines = ['-'];
  for (const word of text.match(/(?:[^\s`]|`[^`]*`)+/g) ?? []) {
    if (`${String(lines.at(-1))} ${word}`.length > WIDTH) lines.push(' ');
    lines.push(`${String(lines.pop())} ${word}`);
  }
  return lines.join('\n');
}
