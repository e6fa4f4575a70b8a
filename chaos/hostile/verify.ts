import type { Redis } from 'ioredis';
import type { Written } from './flood.js';

/** What became of the hostile entries of one kind. */
export interface KindResult {
  readonly kind: string;
  written: number;
  malformed: number;
  /** Dead letters with another reason. */
  otherLetters: number;
  /** Handled or ignored: there is no dead letter. */
  gone: number;
  stays: number;
}

export interface Verdict {
  readonly kinds: KindResult[];
  readonly violations: string[];
}

interface Letters {
  /** By the origin of the message, and by the origin that its entry has named: what was delayed has a new id. */
  readonly reasons: Map<string, string>;
}

/** Looks up in Redis what became of each entry. */
export async function verify(redis: Redis, queue: string, written: readonly Written[]): Promise<Verdict> {
  const { reasons } = await readLetters(redis, queue);
  const left = await namesLeft(redis, queue);
  const kinds = new Map<string, KindResult>();
  const violations: string[] = [];
  for (const { kind, fate, name, isEvent } of written) {
    const result = kinds.get(kind) ?? { kind, written: 0, malformed: 0, otherLetters: 0, gone: 0, stays: 0 };
    kinds.set(kind, result);
    result.written++;
    const reason = fate === 'stays' ? undefined : reasons.get(name);
    const isLeft = isEvent ? left.has(name) : fate === 'stays';
    const became = isLeft
      ? 'stays'
      : reason === undefined
        ? 'gone'
        : reason === 'malformed'
          ? reason
          : 'dead';
    if (became === 'malformed') result.malformed++;
    else if (became === 'dead') result.otherLetters++;
    else result[became]++;
    const isAsExpected =
      fate === became ||
      (fate === 'either' && became !== 'stays') ||
      (fate === 'dead' && became === 'malformed');
    if (!isAsExpected)
      violations.push(`'${kind}' ${name} should be '${fate}', is '${became}' ${reason ?? ''}`);
  }
  violations.push(...(await isSettled(redis, queue, written)));
  return { kinds: [...kinds.values()].sort((a, b) => a.kind.localeCompare(b.kind)), violations };
}

async function readLetters(redis: Redis, queue: string): Promise<Letters> {
  const reasons = new Map<string, string>();
  for await (const batch of redis.hscanStream(`${queue}(dead_letter_bodies)`, { count: 500 })) {
    const pairs = batch as string[];
    for (let i = 0; i < pairs.length; i += 2) {
      const [name = '', json = ''] = pairs.slice(i, i + 2);
      // Those that were written by hand are no letters.
      const reason = /^\{"reason":"(\w+)","origin"/.exec(json)?.[1];
      if (reason === undefined) continue;
      reasons.set(name, reason);
      const { fields } = JSON.parse(json) as { fields: string[] };
      const place = fields.lastIndexOf('origin');
      if (place % 2 === 0) reasons.set(fields[place + 1] ?? '', reason);
    }
  }
  return { reasons };
}

/** Ids that are in the event stream. */
async function namesLeft(redis: Redis, queue: string): Promise<Set<string>> {
  const left = new Set<string>();
  for (let start = '-'; ;) {
    const page = await redis.xrange(`${queue}(event_stream)`, start, '+', 'COUNT', 1_000);
    for (const [id] of page) left.add(id);
    const last = page.at(-1)?.[0];
    if (last === undefined || page.length < 1_000) return left;
    const [time, sequence] = last.split('-') as [string, string];
    start = `${time}-${Number(sequence) + 1}`;
  }
}

/** Nothing is left over, and what nobody should touch is as it was written. */
async function isSettled(redis: Redis, queue: string, written: readonly Written[]): Promise<string[]> {
  const stay = (...kinds: string[]) =>
    written.filter(({ kind, fate }) => fate === 'stays' && kinds.some((begin) => kind.startsWith(begin)))
      .length;
  const pending = (await redis.xpending(`${queue}(event_stream)`, 'elkmq')) as [number];
  const expected: [what: string, is: number, shouldBe: number][] = [
    ['pending entries', pending[0], 0],
    ['entries of the event stream', await redis.xlen(`${queue}(event_stream)`), stay('fake response')],
    ['ids in the list', await redis.llen(`${queue}(message_queue)`), 0],
    [
      'entries of the response stream',
      await redis.xlen(`${queue}(response_stream)`),
      stay('response stream:'),
    ],
    ['delayed messages', await redis.zcard(`${queue}(delayed)`), stay('delayed: never')],
    ['bodies of delayed messages', await redis.hlen(`${queue}(delayed_bodies)`), stay('delayed:')],
  ];
  return expected
    .filter(([, is, shouldBe]) => is !== shouldBe)
    .map(([what, is, shouldBe]) => `there are ${is} ${what} instead of ${shouldBe}`);
}
