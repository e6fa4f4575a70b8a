import type { GrowthReport } from './growth-report.js';
import { ORIGINAL } from './original.js';
import { levelAt, oursBeside, type Report, type Target, type TransportResult } from './report.js';
import { median, medianInterval, ratios, type Interval } from './statistics.js';
import { PAIR } from './surroundings.js';
import { optionNames, OURS, type TransportName } from './transports/index.js';

/** Ratios ElkMQ / it. */
const PEERS: Partial<Record<TransportName, { p50?: number; at64?: number; at256?: number; emit?: number }>> =
  {
    redis: { p50: 0.85, at64: 1.4, at256: 1.6, emit: 1.5 },
    nats: { p50: 0.8, at64: 1.7, at256: 1.7 },
    rmq: { p50: 0.5, at64: 3.5, at256: 4, emit: 3 },
    bullmq: { p50: 0.35, at64: 7, at256: 8, emit: 10 },
    tcp: { at64: 0.6, at256: 0.8 },
    raw: { p50: 1.3, at64: 0.75, at256: 0.8 },
    // To count for the rates may cost two percent.
    'elkmq-uncounted': { at64: 0.98, at256: 0.98, emit: 0.98 },
  };
/** Of the throughput without it. */
const WITH_AOF = 0.85;
/** Of the throughput without an option. */
const WITH_OPTION = 0.6;
/**
 * Of the throughput of another that does the same under the same conditions. For payloads that is the raw loop, which
 * stores them too; Nest Redis, which keeps nothing, is shown beside it.
 */
const UNDER_CONDITIONS = 0.6;
const UNDER_CONDITIONS_THAN: readonly TransportName[] = ['raw-1k', 'raw-16k', 'raw-256k', 'http-redis'];
/** Times the throughput of the original crate. */
const THAN_ORIGINAL = 10;

/** Open: the interval has the bound within it, or there were too few rounds for an interval. */
export type Verdict = 'met' | 'missed' | 'open';

export function verdictOf({ interval: [low, high], bound, is }: Target): Verdict {
  const [isMet, isMissed] = is === 'at least' ? [low >= bound, high < bound] : [high <= bound, low > bound];
  return isMet ? 'met' : isMissed ? 'missed' : 'open';
}

/** Those of which everything has been measured. */
export function targetsOf(report: Report): Target[] {
  // They are for the usual run.
  if (report.surroundings !== undefined && report.surroundings.join() !== PAIR) return [];
  return [...targetsBesideOurs(report), ...targetsUnderConditions(report)];
}

function targetsUnderConditions(report: Report): Target[] {
  return report.requestReply
    .filter(({ transport }) => UNDER_CONDITIONS_THAN.includes(transport))
    .flatMap((other) => {
      const ours = oursBeside(report, other);
      if (ours === undefined) return [];
      const name = `${ours.title} / ${other.title}`;
      return [
        ...of(`req/s at 64, ${name}`, ratioOf(ours, other, 64, 'rounds'), UNDER_CONDITIONS),
        ...of(`events/s, ${name}`, eventRatios(ours, other), UNDER_CONDITIONS),
      ];
    });
}

function targetsBesideOurs({ requestReply }: Report): Target[] {
  const ours = requestReply.find(({ transport }) => transport === OURS);
  if (ours === undefined) return [];
  const others = requestReply.flatMap((other) => {
    const { p50, at64, at256, emit } = PEERS[other.transport] ?? {};
    const name = `ElkMQ / ${other.title}`;
    return [
      ...of(`p50 at 1 in flight, ${name}`, ratioOf(ours, other, 1, 'p50RoundsMs'), p50, 'at most'),
      ...of(`req/s at 64, ${name}`, ratioOf(ours, other, 64, 'rounds'), at64),
      ...of(`req/s at 256, ${name}`, ratioOf(ours, other, 256, 'rounds'), at256),
      ...of(`events/s, ${name}`, eventRatios(ours, other), emit),
    ];
  });
  const aof = requestReply.find(({ transport }) => transport === 'elkmq-aof');
  const persistent =
    aof === undefined
      ? []
      : [
          ...of('req/s at 64, AOF everysec / off', ratioOf(aof, ours, 64, 'rounds'), WITH_AOF),
          ...of('req/s at 256, AOF everysec / off', ratioOf(aof, ours, 256, 'rounds'), WITH_AOF),
          ...of('events/s, AOF everysec / off', eventRatios(aof, ours), WITH_AOF),
        ];
  const at256 = levelAt(ours, 256)?.rounds;
  const original = at256?.map((rate) => rate / ORIGINAL.requestsPerSecond);
  const withOptions = requestReply
    .filter(({ transport }) => optionNames.includes(transport) && PEERS[transport] === undefined)
    .flatMap((option) => [
      // The delay of a request is a part of its time.
      ...(option.transport === 'elkmq-delayed'
        ? []
        : of(`req/s at 64, ${option.title} / without`, ratioOf(option, ours, 64, 'rounds'), WITH_OPTION)),
      ...of(`events/s, ${option.title} / without`, eventRatios(option, ours), WITH_OPTION),
    ]);
  return [
    ...others,
    ...persistent,
    ...withOptions,
    ...of('req/s at 256, ElkMQ / the original crate', original, THAN_ORIGINAL),
  ];
}

export function growthTargetsOf(report: GrowthReport): Target[] {
  const { waitingMessage, waitingRequestHeap, waitingRequester, grown } = report;
  const waiting = grown.find(({ title }) => title === 'Messages that wait')?.points;
  const rate = (size: number) => waiting?.find((point) => point.size === size)?.messagesPerSecond;
  const [none, million] = [rate(0), rate(1_000_000)];
  const { redisCpu } = waitingRequester;
  const mostBytes = 1.5 * waitingMessage.payload + 150;
  return [
    ...once(
      'throughput, 1,000,000 messages waiting / none',
      none === undefined || million === undefined ? undefined : million / none,
      0.9,
    ),
    ...once('Redis memory per waiting message, bytes', waitingMessage.bytes, mostBytes, 'at most'),
    ...once('heap of 10,000 waiting requests, MB', (10_000 * waitingRequestHeap) / 1e6, 20, 'at most'),
    ...once(
      'CPU of Redis for a waiting requester, ElkMQ / the original crate',
      redisCpu / ORIGINAL.waiting.redisCpu,
      0.01,
      'at most',
    ),
  ];
}

/** Of what was measured in rounds. */
function of(
  what: string,
  rounds: readonly number[] | undefined,
  bound: number | undefined,
  is: Target['is'] = 'at least',
): Target[] {
  if (rounds === undefined || rounds.length === 0 || bound === undefined) return [];
  return [{ what, value: median(rounds), interval: medianInterval(rounds), bound, is }];
}

/** Of what was measured once. */
function once(
  what: string,
  value: number | undefined,
  bound: number,
  is: Target['is'] = 'at least',
): Target[] {
  return value === undefined ? [] : [{ what, value, interval: [value, value], bound, is }];
}

function ratioOf(
  ours: TransportResult,
  theirs: TransportResult,
  inFlight: number,
  figure: 'rounds' | 'p50RoundsMs',
): number[] | undefined {
  const [our, their] = [levelAt(ours, inFlight)?.[figure], levelAt(theirs, inFlight)?.[figure]];
  return our === undefined || their === undefined ? undefined : ratios(our, their);
}

function eventRatios(ours: TransportResult, theirs: TransportResult): number[] | undefined {
  return ours.emit && theirs.emit && ratios(ours.emit.rounds, theirs.emit.rounds);
}

export function describeTargets(targets: readonly Target[]): string[] {
  const width = Math.max(...targets.map(({ what }) => what.length));
  const rows = targets.map((target) => {
    const [value, interval, bound] = targetFigures(target);
    return `  ${target.what.padEnd(width)}  ${value.padStart(7)}  ${interval.padEnd(15)}  ${bound.padEnd(8)}${verdictOf(target)}`;
  });
  return ['Targets:', ...rows];
}

export function targetFigures(target: Target): [value: string, interval: string, bound: string] {
  const { value, interval, bound, is } = target;
  const sign = is === 'at least' ? '≥' : '≤';
  return [threeDigits(value), formatInterval(interval), `${sign} ${threeDigits(bound)}`];
}

/** Nothing where it is unknown, or where there is only one value. */
export function formatInterval([low, high]: Interval): string {
  return low === high || !Number.isFinite(low) ? '' : `${threeDigits(low)} … ${threeDigits(high)}`;
}

function threeDigits(value: number): string {
  return String(Number(value.toPrecision(3)));
}
