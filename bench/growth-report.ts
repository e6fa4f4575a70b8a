import { drawBars, OUR_COLOUR } from './bars.js';
import type { Cost, RedisLoad } from './growth-rig.js';
import type { Start } from './report.js';

/** Everything that `npm run bench:growth` has found out. */
export interface GrowthReport extends Start {
  readonly versions: { readonly node: string; readonly packages: Record<string, string> };
  readonly waitingMessage: WaitingMessage;
  /** Bytes of heap for each request that waits for its reply. */
  readonly waitingRequestHeap: number;
  readonly waitingRequester: RedisLoad;
  readonly grown: readonly Grown[];
}

/** Bytes. */
export interface WaitingMessage {
  readonly bytes: number;
  readonly payload: number;
}

export interface Grown {
  readonly title: string;
  /** What grows. */
  readonly of: string;
  readonly points: readonly (Cost & { readonly size: number })[];
}

/** The file of one chart. */
export function growthChartFile({ title }: Grown): string {
  return `growth-${title.toLowerCase().replaceAll(' ', '-')}.svg`;
}

/** Files of charts, by their names. */
export function drawGrowthCharts({ grown }: GrowthReport): Record<string, string> {
  return Object.fromEntries(grown.map((series) => [growthChartFile(series), drawGrowth(series)]));
}

function drawGrowth({ title, of, points }: Grown): string {
  return drawBars({
    title,
    kinds: [{ kind: of, colour: OUR_COLOUR }],
    rows: points.map(({ size }) => ({ name: size.toLocaleString('en-US'), kind: of })),
    panels: [
      { title: 'messages per second', values: points.map(({ messagesPerSecond }) => messagesPerSecond) },
      { title: 'µs of Redis per message', values: points.map(({ redisUs }) => redisUs) },
    ],
  });
}
