import type { VNode } from 'preact';
import { formatDuration, formatExactTime, visibleText } from '../format.js';
import { now } from '../live.js';

/** Text that somebody else has written. It is shown as it is, and changes nothing around it. */
export function Data({ text, title }: { text: string; title?: string }): VNode {
  return (
    <bdi class="data" title={title}>
      {visibleText(text)}
    </bdi>
  );
}

/** How long ago a time was, or when it will come, with the exact time beside it. */
export function Ago({ time }: { time: number | undefined }): VNode {
  if (time === undefined || !Number.isFinite(time)) return <span>–</span>;
  const exact = formatExactTime(time);
  const age = now.value - time;
  const text = age >= 0 ? `${formatDuration(age)} ago` : `in ${formatDuration(-age)}`;
  return (
    <time dateTime={exact} title={exact}>
      {text}
    </time>
  );
}
