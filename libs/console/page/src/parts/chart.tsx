import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';

const HEIGHT_PX = 190;
/** The room for the numbers of the vertical axis. */
const AXIS_WIDTH_PX = 64;

/** One line of a chart. */
export interface Line {
  readonly name: string;
  /** The name of its colour in the style sheet: `--line-1`. */
  readonly colour: string;
  /**
   * The lengths of its dashes and gaps, so that the line is known without its colour. Default: a whole line.
   */
  readonly dash?: readonly number[];
  /** A value for each time; `null` where there is none. */
  readonly values: readonly (number | null)[];
}

interface ChartProperties {
  /** The content of the chart in words. */
  readonly label: string;
  /** ms since 1970 */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

/** Lines over time. The same numbers must be in a table beside it: nobody can read a picture by ear. */
export function Chart({ label, times, lines, format }: ChartProperties): VNode {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  useEffect(() => {
    const element = frame.current;
    if (!element) return;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsFor(element, lines, format), dataOf(times, lines), element);
    };
    draw();
    const dark = matchMedia('(prefers-color-scheme: dark)');
    dark.addEventListener('change', draw);
    const resized = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX });
    });
    resized.observe(element);
    return () => {
      dark.removeEventListener('change', draw);
      resized.disconnect();
      plot.current?.destroy();
    };
    // The lines are the same ones as long as their names are.
  }, [lines.map(({ name }) => name).join()]);
  useEffect(() => {
    plot.current?.setData(dataOf(times, lines));
  }, [times, lines]);
  return (
    <figure class="chart">
      <div ref={frame} role="img" aria-label={label} />
      <figcaption>
        {lines.map(({ name, colour, dash }) => (
          <span key={name}>
            <svg width="28" height="8" aria-hidden="true">
              <line
                x1="0"
                y1="4"
                x2="28"
                y2="4"
                stroke={`var(${colour})`}
                stroke-width="2.5"
                stroke-dasharray={dash?.join(' ')}
              />
            </svg>{' '}
            {name}
          </span>
        ))}
      </figcaption>
    </figure>
  );
}

function dataOf(times: readonly number[], lines: readonly Line[]): uPlot.AlignedData {
  return [times.map((time) => time / 1_000), ...lines.map(({ values }) => [...values])];
}

function optionsFor(
  element: HTMLElement,
  lines: readonly Line[],
  format: (value: number) => string,
): uPlot.Options {
  const style = getComputedStyle(element);
  const colourOf = (name: string): string => resolveColour(element, name);
  const axis = {
    stroke: colourOf('--muted'),
    font: `12px ${style.fontFamily}`,
    grid: { stroke: colourOf('--line'), width: 1 },
    ticks: { stroke: colourOf('--line'), width: 1 },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_, _min, max) => [0, Math.max(max, 1) * 1.05] } },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map(formatTick) },
      { ...axis, size: AXIS_WIDTH_PX, values: (_, ticks) => ticks.map(format) },
    ],
    series: [
      {},
      ...lines.map(({ name, colour, dash }) => ({
        label: name,
        stroke: colourOf(colour),
        width: 2,
        points: { size: 4 },
        ...(dash && { dash: [...dash] }),
      })),
    ],
  };
}

/** The time of day, or the day where one begins. @param seconds since 1970 */
function formatTick(seconds: number): string {
  const date = new Date(seconds * 1_000);
  const isMidnight = date.getHours() === 0 && date.getMinutes() === 0;
  return isMidnight
    ? date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
    : date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
}

/** A canvas knows no `light-dark()`, so the colour is read from an element that has it. */
function resolveColour(element: HTMLElement, name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
