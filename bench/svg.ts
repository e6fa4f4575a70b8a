import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What all charts are drawn with: no library does it in less. Their greys can be read on a light and on a dark page. */

export const WIDTH = 900;
const TEXT = '#7d7d7d';
const GRID = '#8886';

export function svg(height: number, title: string, content: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="system-ui, sans-serif" font-size="12">`,
    `<title>${escape(title)}</title>`,
    text(12, 24, title, 'start', 'font-size="16" font-weight="600"'),
    ...content,
    '</svg>',
    '',
  ].join('\n');
}

export function text(
  x: number,
  y: number,
  content: string,
  anchor: 'start' | 'middle' | 'end',
  attributes = '',
): string {
  const place = `x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${TEXT}"`;
  return `<text ${[place, attributes].join(' ').trim()}>${escape(content)}</text>`;
}

export function line(x1: number, y1: number, x2: number, y2: number): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${GRID}"/>`;
}

export function bar(x: number, y: number, width: number, height: number, colour: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" rx="2" fill="${colour}"/>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Three digits, but all that stand before the point. */
export function short(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : String(Number(value.toPrecision(3)));
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** Writes charts into a folder, which is made if need be. */
export function writeCharts(folder: string, charts: Record<string, string>): void {
  mkdirSync(folder, { recursive: true });
  for (const [file, content] of Object.entries(charts)) writeFileSync(join(folder, file), content);
}
