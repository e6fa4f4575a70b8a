import type { TopicResult } from './campaign.js';

/** The result for people. */
export function formatTopicResult(result: TopicResult): string {
  const { delivery, seed, seconds, sent, stored, refused, divided, unrouted, unfinished } = result;
  const faults = Object.values(result.faults).reduce((sum, count) => sum + count, 0);
  const numbers = { sent, stored, refused, divided, unrouted, unfinished };
  return [
    `topics, delivery '${delivery}', seed ${seed}, ${seconds} s`,
    ...Object.entries(numbers).map(([name, value]) => row(name, value)),
    ...Object.entries(result.services).flatMap(([service, verdict]) => [
      `  ${service}`,
      row('  handled', verdict.handled),
      row('  handled more than once', verdict.handledTwice),
      row('  lost', verdict.lost),
      row('  strange', verdict.strange),
      row('  dead letters', JSON.stringify(verdict.deadLetters)),
    ]),
    row('changes of the table', result.tableChanges),
    row('  in a second, median', result.tableChangesPerSecond),
    row('leftover keys', result.leftoverKeys.length),
    row('faults', faults),
    ...result.leftoverKeys.map((key) => `  ! left over: ${key}`),
  ].join('\n');
}

function row(name: string, value: number | string): string {
  return `  ${name.padEnd(28)}${typeof value === 'number' ? value.toLocaleString('en') : value}`;
}
