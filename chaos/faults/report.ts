import type { CampaignResult } from './campaign.js';
import type { OrderVerdict } from './order-checker.js';

/** The result for people: what should be nought first. */
export function formatResult(result: CampaignResult, isPartitioned = false): string {
  const { delivery, seed, seconds, sent, executed, executedTwice, lost, unexplained, order } = result;
  const lines = [
    `delivery '${delivery}', seed ${seed}, ${seconds} s`,
    row('sent', sent),
    row('executed', executed),
    row('executed more than once', executedTwice),
    row('lost', lost),
    ...(isPartitioned ? formatSetbacks(result) : []),
    row('unexplained', unexplained),
    ...(order ? formatOrder(order) : []),
    row('leftover keys', result.leftoverKeys.length),
    row('crashes', result.crashes.length),
    row('dead letters', list(result.deadLettered)),
    row('requests', result.requests),
    row('their outcomes', list(result.outcomes)),
    row('held up by the machine', result.heldUp),
    row('faults', total(result.faults)),
    ...Object.entries(result.faults)
      .sort()
      .map(([kind, count]) => `    ${String(count).padStart(5)}  ${kind}`),
    ...result.problems.map((problem) => `  ! ${problem}`),
    ...result.leftoverKeys.map((key) => `  ! left over: ${key}`),
    ...result.crashes.map((name) => `  ! crashed: ${name}`),
    ...(result.folder === undefined ? [] : [`  the ledger and the logs are in ${result.folder}`]),
  ];
  return lines.join('\n');
}

/** Whether everything was as it should be. */
export function isGood({
  delivery,
  executedTwice,
  lost,
  unexplained,
  leftoverKeys,
  crashes,
  order,
}: CampaignResult): boolean {
  const isTwice = delivery === 'once' && executedTwice > 0;
  const isOrdered = !order || (order.outOfOrder === 0 && order.twoAtOnce === 0);
  return (
    !isTwice && isOrdered && lost === 0 && unexplained === 0 && leftoverKeys.length + crashes.length === 0
  );
}

function formatSetbacks({ lostByRedis, repeatedByRedis }: CampaignResult): string[] {
  return [row('lost by a failover', lostByRedis), row('again after a failover', repeatedByRedis)];
}

function formatOrder({ keys, outOfOrder, twoAtOnce, besideZombie, setBack }: OrderVerdict): string[] {
  return [
    row('ordering keys', keys),
    row('out of order', outOfOrder),
    row('two of a key at once', twoAtOnce),
    row('beside a lost worker', besideZombie),
    ...(setBack > 0 ? [row('set back by a failover', setBack)] : []),
  ];
}

function row(name: string, value: number | string): string {
  return `  ${name.padEnd(24)}${typeof value === 'number' ? value.toLocaleString('en') : value}`;
}

function list(counts: Record<string, number>): string {
  const entries = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return entries.map(([name, count]) => `${name} ${count.toLocaleString('en')}`).join(', ') || 'none';
}

function total(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
