/** A line chart as SVG, readable on a light and on a dark page: no library does it in less. */

export interface Chart {
  readonly title: string;
  readonly xLabel: string;
  readonly yLabel: string;
  /** Names of the places on the x axis, evenly apart. */
  readonly x: readonly string[];
  readonly lines: readonly Line[];
  readonly isLogarithmic?: boolean;
}

export interface Line {
  readonly name: string;
  /** One value for each place on the x axis; what was not measured is left out. */
  readonly y: readonly (number | undefined)[];
}

const COLOURS = [
  '#d62728',
  '#1f77b4',
  '#2ca02c',
  '#ff7f0e',
  '#9467bd',
  '#8c564b',
  '#e377c2',
  '#17becf',
  '#7f7f7f',
  '#bcbd22',
];
const WIDTH = 760;
const HEIGHT = 380;
const PLOT = { left: 76, right: 570, top: 44, bottom: 320 };

export function drawChart({ title, xLabel, yLabel, x, lines, isLogarithmic = false }: Chart): string {
  const values = lines.flatMap(({ y }) => y.filter((value) => value !== undefined));
  const ticks = isLogarithmic ? powersAround(values) : roundSteps(Math.max(...values, 0));
  const scale = isLogarithmic ? Math.log10 : (value: number) => value;
  const [low, high] = [scale(ticks[0] ?? 0), scale(ticks.at(-1) ?? 1)];
  const atX = (place: number) =>
    round(PLOT.left + ((place + 0.5) / Math.max(x.length, 1)) * (PLOT.right - PLOT.left));
  const atY = (value: number) =>
    round(PLOT.bottom - ((scale(value) - low) / (high - low || 1)) * (PLOT.bottom - PLOT.top));

  const grid = ticks.flatMap((tick) => [
    `<line x1="${PLOT.left}" x2="${PLOT.right}" y1="${atY(tick)}" y2="${atY(tick)}" stroke="#8884"/>`,
    text(PLOT.left - 8, atY(tick) + 4, short(tick), 'end'),
  ]);
  const names = x.map((name, place) => text(atX(place), PLOT.bottom + 18, name, 'middle'));
  const drawn = lines.flatMap(({ name, y }, index) => {
    const colour = COLOURS[index % COLOURS.length] ?? '';
    const points = y.flatMap((value, place) =>
      value === undefined || (isLogarithmic && value <= 0) ? [] : [`${atX(place)},${atY(value)}`],
    );
    const dots = points.map(
      (point) => `<circle cx="${point.replace(',', '" cy="')}" r="3" fill="${colour}"/>`,
    );
    const legendY = PLOT.top + 10 + index * 20;
    return [
      `<polyline points="${points.join(' ')}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...dots,
      `<rect x="${PLOT.right + 16}" y="${legendY - 9}" width="12" height="12" fill="${colour}"/>`,
      text(PLOT.right + 34, legendY + 1, name, 'start'),
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`,
    `<text x="${PLOT.left}" y="24" font-size="16" fill="#222">${escape(title)}</text>`,
    ...grid,
    ...names,
    ...drawn,
    text((PLOT.left + PLOT.right) / 2, HEIGHT - 14, xLabel, 'middle'),
    `<text transform="translate(16 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)" text-anchor="middle" fill="#444">${escape(yLabel)}</text>`,
    '</svg>',
    '',
  ].join('\n');
}

function text(x: number, y: number, content: string, anchor: 'start' | 'middle' | 'end'): string {
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="#444">${escape(content)}</text>`;
}

function escape(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** From 0 to at least `most`, in about five steps of 1, 2 or 5 times a power of ten. */
function roundSteps(most: number): number[] {
  const rough = (most || 1) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.ceil((most || 1) / step) + 1 }, (_, index) => index * step);
}

function powersAround(values: readonly number[]): number[] {
  const positive = values.filter((value) => value > 0);
  const from = Math.floor(Math.log10(Math.min(...positive, 1e9)));
  const to = Math.max(Math.ceil(Math.log10(Math.max(...positive, 1e-3))), from + 1);
  return Array.from({ length: to - from + 1 }, (_, index) => 10 ** (from + index));
}

function short(value: number): string {
  if (value >= 1e6) return `${round(value / 1e6)} M`;
  if (value >= 1e3) return `${round(value / 1e3)} k`;
  return String(Number(value.toPrecision(3)));
}
