import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { CommandLine, runCommand, UsageError } from '../scripts/command-line.js';
import { drawCharts } from './charts.js';
import { expectations } from './expectations.js';
import { drawGrowthCharts, type GrowthReport } from './growth-report.js';
import { growth, otherRun, results, summary } from './markdown.js';
import type { Report } from './report.js';

/** Writes what the pages show of the reports, and the charts, so that nobody types a figure. */

const USAGE = `npm run bench:docs -- [--check]

  --check   only says whether the pages and the charts show what the reports say`;

const FOLDER = 'docs/benchmarks';
const PAGE = `${FOLDER}/README.md`;
/** The runs under other conditions. Each has its report in this folder, and a section of the page. */
const OTHER_RUNS = `${FOLDER}/other-runs`;
const OTHER_RUNS_PAGE = `${OTHER_RUNS}/README.md`;

const pathOf = (file: string) => fileURLToPath(new URL(`../../../${file}`, import.meta.url));
const read = (file: string) => readFileSync(pathOf(file), 'utf8');

function readReport(file: string): unknown {
  return existsSync(pathOf(file)) ? JSON.parse(read(file)) : undefined;
}

/** Every file as it shall be, by its path. */
async function filesToWrite(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const show = async (page: string, section: string, content: string) => {
    const text = withSection(files.get(page) ?? read(page), section, content);
    files.set(page, await format(text, { ...(await resolveConfig(pathOf(page))), filepath: page }));
  };
  const addCharts = (charts: Record<string, string>) => {
    for (const [name, content] of Object.entries(charts)) files.set(`${FOLDER}/${name}`, content);
  };
  const report = readReport(`${FOLDER}/report.json`) as Report | undefined;
  if (report !== undefined) {
    await show('README.md', 'summary', summary(report));
    await show(PAGE, 'expectations', expectations(report));
    await show(PAGE, 'results', results(report));
    addCharts(drawCharts(report));
  }
  const grown = readReport(`${FOLDER}/growth.json`) as GrowthReport | undefined;
  if (grown !== undefined) {
    await show(PAGE, 'growth', growth(grown));
    addCharts(drawGrowthCharts(grown));
  }
  for (const file of readdirSync(pathOf(OTHER_RUNS)).sort()) {
    const { name, ext } = parse(file);
    if (ext === '.json')
      await show(OTHER_RUNS_PAGE, name, otherRun(readReport(`${OTHER_RUNS}/${file}`) as Report));
  }
  return files;
}

/** What is between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->` is replaced. */
function withSection(page: string, name: string, content: string): string {
  const [begin, end] = [`<!-- bench:${name} -->`, `<!-- /bench:${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`there is no section ${begin} … ${end}`);
  return `${page.slice(0, from)}${begin}\n\n${content}\n\n${page.slice(to)}`;
}

async function main(): Promise<boolean> {
  const command = new CommandLine(process.argv.slice(2), { check: { type: 'boolean' } } as const, USAGE);
  const files = await filesToWrite();
  if (command.flags.check !== true) {
    if (files.size === 0)
      throw new UsageError(`there is no report in ${FOLDER}: npm run bench -- --json ${FOLDER}/report.json`);
    for (const [file, content] of files) writeFileSync(pathOf(file), content);
    return true;
  }
  const stale = [...files].filter(([file, content]) => !existsSync(pathOf(file)) || read(file) !== content);
  for (const [file] of stale) console.error(`${file} does not show what the report says: npm run bench:docs`);
  return stale.length === 0;
}

await runCommand(main);
