import { HANDLERS, type Bytes, type EventKind, type Scene } from './kind.js';
import type { Random } from '../random.js';
import {
  brokenJson,
  eventJson,
  hugeNumbers,
  mutated,
  nested,
  notUtf8,
  POLLUTION,
  wrongTypes,
} from './service-events.js';

const quoted = JSON.stringify;
/** An event of this package for nobody's reply, but for what `members` replaces. */
const ours = (members: Record<string, string> = {}, ...more: Bytes[]): Bytes[] => [
  'event',
  eventJson(members),
  'reply_to',
  '',
  ...more,
];

/** A request that a handler answers, from somebody who cannot be answered. */
function request(address: string, random: Random, ...more: Bytes[]): Bytes[] {
  const action = quoted(random.pick([HANDLERS.request, 'nobody handles this']));
  return ['event', eventJson({ action, request_uuid: random.digits(20) }), 'reply_to', address, ...more];
}

const NUMBERS = [
  '',
  ' ',
  '0',
  '-1',
  '1.5',
  '1e99',
  '0x10',
  'NaN',
  'Infinity',
  '-Infinity',
  ' 2 ',
  '９',
  '1_000',
];
const ORIGINS = ['', 'x', '1', '-1-1', '1-1 ', '1-1\n', '1-', '1-1-1', '*', '$', '__proto__', '1.5-0'];
const STRINGS = ['', '{', '[]', '7', 'null', '{"a":1}', POLLUTION, '{"__proto__":"x"}', '["a"]'];

function foreign(random: Random, count: number): Bytes[] {
  const names = ['__proto__', 'constructor', 'response ', 'Event', 'lease', 'id', 'field\n', ''];
  return Array.from({ length: count }, () => [
    random.pick<Bytes>([...names, random.bytes(6)]),
    random.pick<Bytes>(['', POLLUTION, random.bytes(12)]),
  ]).flat();
}

const many = (random: Random): Bytes[] =>
  Array.from({ length: random.whole(2_000, 4_500) }, (_, index) => [`f${String(index)}`, 'x']).flat();

/** Unique, so that one dead letter does not take the place of another. */
const origin = (random: Random, scene: Scene): string =>
  `${random.pick(['0', '1', '9'.repeat(15), '9'.repeat(40), '9'.repeat(400)])}-${String(scene.next())}`;

export const EVENT_KINDS: readonly EventKind[] = [
  kind('random bytes', 'malformed', (random) => ['event', random.bytes(random.whole(0, 300))], 4),
  kind('random fields', 'malformed', (random) => [random.bytes(9), random.bytes(30), 'x', random.bytes(30)]),
  kind('payload that is not UTF-8', 'either', (random) => ['event', notUtf8(random), 'reply_to', '']),
  kind('JSON that is broken', 'malformed', (random) => ['event', brokenJson(random)], 3),
  kind('an event with bytes changed', 'either', (random) => ['event', mutated(random), 'reply_to', ''], 4),
  kind('wrong types', 'malformed', (random) => ['event', wrongTypes(random), 'reply_to', ''], 3),
  kind('huge and odd numbers', 'malformed', (random) => ['event', hugeNumbers(random), 'reply_to', ''], 3),
  kind('timeout 0', 'dead', () => ours({ timeout: '0' })),
  kind('timeout -1, 1e99', 'malformed', (random) => ours({ timeout: random.pick(['-1', '1e99']) })),
  kind('the largest uuid', 'gone', () => ours({ request_uuid: '340282366920938463463374607431768211455' })),
  kind('deep JSON as payload', 'gone', (random) =>
    ours({ payload: quoted(nested(random.whole(500, 20_000))) }),
  ),
  kind('deep JSON as payload of a request', 'gone', (random) => [
    'event',
    eventJson({ action: quoted(HANDLERS.request), payload: quoted(nested(random.whole(500, 20_000))) }),
    'reply_to',
    'nobody',
  ]),
  kind('deep JSON as action', 'dead', (random) =>
    ours({ action: quoted(nested(random.whole(10, 20_000), '{"cmd":', '}', '1')) }),
  ),
  kind('odd action', 'dead', (random) =>
    ours({
      action: quoted(
        random.pick([
          '__proto__',
          'constructor',
          'toString',
          '',
          'null',
          '[]',
          '{}',
          '7',
          POLLUTION,
          '\u001b[2J\n',
        ]),
      ),
    }),
  ),
  kind('__proto__ in JSON', 'gone', () => ours({ payload: quoted(POLLUTION), ['__proto__']: POLLUTION })),
  kind('bad reply address', 'gone', (random, scene) => request(random.pick(scene.badAddresses), random), 6),
  kind('reply nobody asked for', 'gone', (random, scene) => request(scene.clientId, random), 3),
  kind('foreign fields', 'gone', (random) => ours({}, ...foreign(random, random.whole(1, 20))), 2),
  kind('foreign fields, tried again', 'gone', (random) => [
    'event',
    eventJson({ action: quoted(HANDLERS.failsFirst) }),
    ...foreign(random, 4),
    'reply_to',
    '',
  ]),
  kind('thousands of fields', 'gone', (random) => ours({}, ...many(random)), 0.05),
  kind(
    'thousands of fields, tried again',
    'either',
    (random) => ours({ action: quoted(HANDLERS.failsFirst) }, ...many(random)),
    0.05,
  ),
  kind('no field at all of ours', 'malformed', (random) => foreign(random, random.whole(1, 5))),
  kind('two events in one entry', 'malformed', () => ours({}, 'event', '')),
  kind('origin that is none', 'malformed', (random) => ours({}, 'origin', random.pick(ORIGINS))),
  kind('forged origin', 'either', (random, scene) => ours({}, 'origin', origin(random, scene)), 2),
  kind('forged attempt', 'either', (random) => ours({}, 'attempt', random.pick(NUMBERS))),
  kind(
    'forged attempt, to a client',
    'either',
    (random, scene) => request(scene.clientId, random, 'attempt', random.pick(NUMBERS)),
    2,
  ),
  kind('forged due', 'either', (random) => ours({}, 'due', random.pick([...NUMBERS, random.digits(17)])), 2),
  kind('forged due, to a client', 'either', (random, scene) =>
    request(scene.clientId, random, 'due', random.pick([...NUMBERS, random.digits(17)])),
  ),
  kind(
    'nudge with nonsense',
    'gone',
    (random) => [
      'due',
      random.pick<Bytes>([...NUMBERS, random.digits(17), random.bytes(9)]),
      ...foreign(random, random.whole(0, 2)),
    ],
    2,
  ),
  kind(
    'forged headers and metadata',
    'gone',
    (random) => [
      ...request('nobody', random, 'headers', random.pick(STRINGS)),
      'metadata',
      random.pick(STRINGS),
    ],
    2,
  ),
  kind('deep headers', 'gone', (random) => ours({}, 'headers', nested(random.whole(500, 20_000)))),
  kind('fake response', 'stays', (random) => [
    'response',
    random.pick<Bytes>(['', eventJson({ timeout: '65535' }), random.bytes(40)]),
  ]),
  kind('fake response and more', 'malformed', () => ['response', eventJson(), 'x', 'y']),
  kind('a megabyte', 'gone', () => ours({ payload: quoted('x'.repeat(1_000_000)) }), 0.005),
  kind('an action of 100 kB', 'dead', () => ours({ action: quoted('x'.repeat(100_000)) }), 0.05),
];

function kind(name: string, fate: EventKind['fate'], fields: EventKind['fields'], weight = 1): EventKind {
  return { name, fate, fields, weight };
}
