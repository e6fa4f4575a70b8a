import { bar, line, short, svg, text, WIDTH } from './svg.js';

/** A table with bars: a row for each of those that are compared, a panel for each figure, with a scale of its own. */
export interface Bars {
  readonly title: string;
  readonly rows: readonly { readonly name: string; readonly kind: string }[];
  readonly panels: readonly Panel[];
  /** The colour of each kind, with what it means. */
  readonly kinds: readonly { readonly kind: string; readonly colour: string }[];
}

interface Panel {
  readonly title: string;
  /** One for each row; what was not measured is left out. */
  readonly values: readonly (number | undefined)[];
}

export const OUR_COLOUR = '#e5484d';

const NAMES = 128;
const TOP = 62;
const ROW = 22;
const BAR = 14;
/** For the figure behind the longest bar. */
const FIGURE = 56;

export function drawBars({ title, rows, panels, kinds }: Bars): string {
  const bottom = TOP + rows.length * ROW;
  const width = (WIDTH - NAMES) / panels.length;
  const middle = (row: number) => TOP + row * ROW + ROW / 2;
  const colourOf = (row: number) => kinds.find(({ kind }) => kind === rows[row]?.kind)?.colour ?? '';
  const drawn = panels.flatMap((panel, place) => {
    const left = NAMES + place * width;
    const most = Math.max(...panel.values.map((value) => value ?? 0)) || 1;
    const bars = panel.values.flatMap((value, row) => {
      if (value === undefined) return [];
      const length = (value / most) * (width - FIGURE);
      return [
        bar(left, middle(row) - BAR / 2, length, BAR, colourOf(row)),
        text(left + length + 5, middle(row) + 4, short(value), 'start'),
      ];
    });
    return [
      text(left, TOP - 10, panel.title, 'start', 'font-weight="600"'),
      line(left, TOP, left, bottom),
      ...bars,
    ];
  });
  let x = NAMES;
  const legend = kinds.flatMap(({ kind, colour }) => {
    const at = x;
    x += 40 + kind.length * 6.5;
    return [bar(at, bottom + 18, 12, 12, colour), text(at + 18, bottom + 28, kind, 'start')];
  });
  const names = rows.map(({ name }, row) => text(NAMES - 10, middle(row) + 4, name, 'end'));
  return svg(bottom + 42, title, [...names, ...drawn, ...legend]);
}
