import type { Trend } from './trend.js';

/** A figure that should not grow. */
export interface Row {
  readonly what: string;
  /** Bytes are shown in KB, by 1,024; other things by 1. */
  readonly unit: 1_024 | 1;
  /** Absent when there were too few samples. */
  readonly trend: Trend | undefined;
  /** Absent when it does not count. */
  readonly isFlat: boolean | undefined;
}

export interface Report {
  readonly minutes: number;
  readonly warmUp: number;
  /** Requests, and as many events, at full speed. */
  readonly pairsPerSecond: number;
  readonly kills: number;
  readonly requests: number;
  readonly answered: number;
  readonly skipped: number;
  /** Growth of more than this part of the mean per minute is not flat. */
  readonly bound: number;
  readonly rows: readonly Row[];
  readonly problems: readonly string[];
}

const HEADINGS = ['mean', 'slope / min', '± chance', '% of mean / min', 'samples', ''];

const VERDICTS: Record<string, string> = { true: 'flat', false: 'GROWS', undefined: 'not judged' };

export function isGood({ rows, problems }: Report): boolean {
  return problems.length === 0 && rows.every((row) => row.isFlat !== false);
}

export function formatReport(report: Report): string {
  const { minutes, warmUp, pairsPerSecond, kills, requests, answered, skipped, bound, rows, problems } =
    report;
  const width = Math.max(...rows.map(({ what }) => what.length));
  const line = (what: string, cells: string[]) =>
    `${what.padEnd(width)}${cells.map((cell) => cell.padStart(17)).join('')}`.trimEnd();
  const percent = `${bound * 100} %`;
  return [
    `${minutes} min at half speed: ${whole(pairsPerSecond / 2)} requests and as many events a second; ${kills} workers killed`,
    `${whole(answered)} of ${whole(requests)} requests answered${skipped === 0 ? '' : `, ${whole(skipped)} left out because too many were under way`}`,
    `Lines through what came after the first ${Math.round(warmUp * 60)} s of each process; heaps after garbage collection, in KB`,
    '',
    line('', HEADINGS),
    ...rows.map((row) => line(row.what, cells(row))),
    '',
    ...problems.map((problem) => `- ${problem}`),
    isGood(report)
      ? `Flat: nothing grows by ${percent} of its mean per minute.`
      : `Not good: a figure grows by more than ${percent} of its mean per minute, or there were problems.`,
  ].join('\n');
}

function cells({ unit, trend, isFlat }: Row): string[] {
  if (!trend) return ['', '', '', '', '', 'too short to say'];
  const { mean, slope, doubt, samples } = trend;
  const shown = (value: number) => (value / unit).toFixed(1);
  const part = ((100 * slope) / mean).toFixed(2);
  return [shown(mean), shown(slope), shown(doubt), part, String(samples), VERDICTS[String(isFlat)] ?? ''];
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
