import type { MinuteRates } from 'elkmq';

/** What happened in some minutes that follow each other. */
export interface RatePoint {
  /** The begin of the first of these minutes, ms since 1970. */
  readonly time: number;
  readonly stored: number;
  readonly handled: number;
  readonly retried: number;
  readonly dead: number;
  readonly expired: number;
  /** The mean time until a message was handled, ms; `null` when none was. */
  readonly meanTime: number | null;
  /** The longest such time, ms; `null` when no message was handled. */
  readonly longestTime: number | null;
}

/** Adds up minutes: each point of a chart is the sum of `minutesPerPoint` minutes. */
export function pointsOf(rates: readonly MinuteRates[], minutesPerPoint: number): RatePoint[] {
  const points: RatePoint[] = [];
  for (let from = 0; from < rates.length; from += minutesPerPoint) {
    const minutes = rates.slice(from, from + minutesPerPoint);
    const sum = (member: keyof MinuteRates): number =>
      minutes.reduce((total, minute) => total + minute[member], 0);
    const handled = sum('handled');
    points.push({
      time: minutes[0]?.minute ?? 0,
      stored: sum('stored'),
      handled,
      retried: sum('retried'),
      dead: sum('dead'),
      expired: sum('expired'),
      meanTime: handled === 0 ? null : sum('totalTime') / handled,
      longestTime: handled === 0 ? null : Math.max(...minutes.map(({ longestTime }) => longestTime)),
    });
  }
  return points;
}
