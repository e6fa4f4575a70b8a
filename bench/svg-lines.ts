import { line, round, short, svg, text, WIDTH } from './svg.js';

/** How figures change along an axis: a panel for each figure, from zero, so that what stays flat looks flat. */
export interface Lines {
  readonly title: string;
  readonly xLabel: string;
  /** Names of the places on the x axis, evenly apart. */
  readonly x: readonly string[];
  readonly panels: readonly { readonly title: string; readonly y: readonly number[] }[];
}

const COLOUR = '#e5484d';
const TOP = 84;
const BOTTOM = 250;
const HEIGHT = 300;

export function drawLines({ title, xLabel, x, panels }: Lines): string {
  const width = WIDTH / panels.length;
  const drawn = panels.flatMap((panel, place) => {
    const [left, right] = [place * width + 12, (place + 1) * width - 12];
    const most = Math.max(...panel.y) || 1;
    const atX = (index: number) => round(left + ((index + 0.5) / x.length) * (right - left));
    const atY = (value: number) => round(BOTTOM - (value / most) * (BOTTOM - TOP));
    const points = panel.y.map((value, index) => ({ value, x: atX(index), y: atY(value) }));
    return [
      text(left, 54, panel.title, 'start', 'font-weight="600"'),
      line(left, BOTTOM, right, BOTTOM),
      `<polyline points="${points.map((point) => `${point.x},${point.y}`).join(' ')}" fill="none" stroke="${COLOUR}" stroke-width="2"/>`,
      ...points.map((point) => `<circle cx="${point.x}" cy="${point.y}" r="3" fill="${COLOUR}"/>`),
      ...points.map((point) => text(point.x, point.y - 9, short(point.value), 'middle')),
      ...x.map((name, index) => text(atX(index), BOTTOM + 18, name, 'middle')),
    ];
  });
  return svg(HEIGHT, title, [...drawn, text(WIDTH / 2, HEIGHT - 12, xLabel, 'middle')]);
}
