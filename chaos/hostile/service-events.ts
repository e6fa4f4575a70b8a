import { HANDLERS, type Bytes } from './kind.js';
import type { Random } from '../random.js';

/** JSON of events, good and bad, for entries of the event stream. */

/** A valid event, but for what is replaced. Values are JSON. */
export function eventJson(members: Record<string, string> = {}): string {
  const all = {
    request_uuid: '7',
    timeout: '60',
    action: JSON.stringify(HANDLERS.event),
    payload: '"{}"',
    ...members,
  };
  return `{${Object.entries(all)
    .map(([name, value]) => `${JSON.stringify(name)}:${value}`)
    .join(',')}}`;
}

export function nested(depth: number, open = '[', close = ']', core = ''): string {
  return open.repeat(depth) + core + close.repeat(depth);
}

/** JSON that would change every object where it is copied carelessly. */
export const POLLUTION =
  '{"__proto__":{"polluted":"yes"},"constructor":{"prototype":{"polluted":"yes"}},"toString":1,"then":1}';

/** A value that is right for no member of an event. */
const WRONG = ['{}', '[]', 'true', '[7]', '{"a":1}', '1.5', '-1'];

export function wrongTypes(random: Random): string {
  const member = random.pick(['request_uuid', 'timeout', 'action', 'payload']);
  const alsoWrong = { request_uuid: '"7"', timeout: '"60"', action: 'null', payload: '7' }[member] as string;
  return eventJson({ [member]: random.pick([...WRONG, alsoWrong]) });
}

export function hugeNumbers(random: Random): string {
  const digits = random.digits(random.whole(40, 10_000));
  const uuids = ['340282366920938463463374607431768211456', digits, '1e400', '-0', '1e38', '0x7f', '007'];
  const timeouts = ['65536', '1e99', digits, '-1', '1e0', '60.0', '9007199254740993'];
  return random.fraction() < 0.5
    ? eventJson({ request_uuid: random.pick(uuids) })
    : eventJson({ timeout: random.pick(timeouts) });
}

export function brokenJson(random: Random): string {
  const json = eventJson();
  return random.pick([
    `${json}x`,
    `${json}${json}`,
    json.slice(0, random.whole(0, json.length - 1)),
    json.replace('"{}"', '"\\ud800"'),
    json.replace('"{}"', '"\n\u0000"'),
    json.replace('{', '{"timeout":1,'),
    `[7,60,"sink"]`,
    `[7,60,"sink",null,null]`,
    'null',
    '"event"',
    '',
    ' ',
    '\u0000',
    nested(random.whole(1, 20_000)),
    nested(random.whole(1, 20_000), '{"request_uuid":', '}', '7'),
  ]);
}

/** A valid event with some of its bytes changed: most are no events any more. */
export function mutated(random: Random): Buffer {
  const bytes = Buffer.from(eventJson());
  for (let count = random.whole(1, 4); count > 0; count--) {
    bytes[random.whole(0, bytes.length - 1)] = random.whole(0, 255);
  }
  return bytes;
}

/** A valid event in whose payload are bytes that are no UTF-8. */
export function notUtf8(random: Random): Buffer {
  const [before, after] = eventJson().split('{}') as [string, string];
  const wrong: Bytes[] = ['ff', 'c080', 'eda080', 'f5808080', 'c3', 'e28228'].map((hex) =>
    Buffer.from(hex, 'hex'),
  );
  return Buffer.concat([Buffer.from(before), random.pick(wrong) as Buffer, Buffer.from(after)]);
}
