import type { VNode } from 'preact';
import { formatCount } from '../format.js';

const WIDTH = 120;
const HEIGHT = 24;

/** A small line of what was handled in each minute, the latest on the right. Its label says it in words. */
export function Sparkline({ values }: { values: readonly number[] }): VNode {
  const sum = values.reduce((total, value) => total + value, 0);
  const most = Math.max(...values, 1);
  const label =
    sum === 0
      ? 'nothing was handled in the last hour'
      : `${formatCount(sum)} handled in the last hour, at most ${formatCount(most)} in a minute`;
  const step = WIDTH / Math.max(values.length - 1, 1);
  const points = values.map((value, index) => {
    const height = HEIGHT - 2 - (value / most) * (HEIGHT - 4);
    return `${(index * step).toFixed(1)},${height.toFixed(1)}`;
  });
  return (
    <svg class="sparkline" width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      <title>{label}</title>
      <polyline points={points.join(' ')} />
    </svg>
  );
}
