import type { Bytes, Fate, KeyKind, Scene } from './kind.js';
import { eventJson, nested, POLLUTION } from './service-events.js';

/** Entries of the queue's other keys. */

const key = ({ queue }: Scene, name: string): string => `${queue}(${name})`;

/** What should be the JSON array of a delayed message's fields. */
const BODIES: Bytes[] = [
  '',
  'x',
  '7',
  'null',
  'true',
  '"event"',
  '{}',
  '[]',
  '{"event":"x"}',
  '["event"]',
  '["event","x","y"]',
  '[{},{}]',
  '[null,null]',
  '[true,false]',
  '["event",["x"]]',
  '["event",null]',
  POLLUTION,
  nested(2_000),
  `[${'"f","x",'.repeat(5_000)}"f","x"]`,
  Buffer.from('5b22ff222c22fe', 'hex'),
];

/** What should be a dead letter. */
const LETTERS: Bytes[] = [
  '',
  'x',
  '7',
  'null',
  '[]',
  '{}',
  '{"reason":7,"fields":7}',
  '{"fields":null}',
  '{"fields":[]}',
  '{"fields":["event"]}',
  '{"fields":[{},{}]}',
  '{"fields":[null,null]}',
  `{"fields":[${'"f","x",'.repeat(5_000)}"f","x"]}`,
  '{"reason":"abandoned"',
  POLLUTION,
  nested(2_000),
];

const FRAMES = [
  '',
  'x',
  '{}',
  'null',
  '7',
  '[7]',
  '[[]]',
  '[["1",1,0,1,null]]',
  '[["1",1,0,2,null]]',
  '[["1",1e99,-1,"x",{}]]',
  '[["__proto__",1,0,1,{"response":1}]]',
  `[["1",1,0,1,${POLLUTION}]]`,
  nested(20_000),
];

export const KEY_KINDS: readonly KeyKind[] = [
  kind('list: an id of nothing', 'gone', (random, scene, name) => [
    ['LPUSH', key(scene, 'message_queue'), random.pick<Bytes>([name, `junk ${name}`])],
  ]),
  kind('response stream: an index of nothing', 'stays', (random, scene) => [
    ['XADD', key(scene, 'response_stream'), '*', random.bytes(8), random.bytes(8), 'more', '1-1'],
  ]),
  kind(
    'inbox: no replies',
    'gone',
    (random, scene) => [
      [
        'XADD',
        `${key(scene, 'inbox')}:${scene.clientId}`,
        '*',
        ...random.pick<Bytes[]>([
          ['replies', random.pick(FRAMES)],
          ['replies', random.bytes(20)],
          ['x', 'y'],
        ]),
      ],
    ],
    2,
  ),
  kind(
    'delayed: a body that is none',
    'malformed',
    (random, scene, name) => [
      ['HSET', key(scene, 'delayed_bodies'), name, random.pick(BODIES)],
      ['ZADD', key(scene, 'delayed'), random.pick(['-inf', '-1e300', '0', '1.5']), name],
    ],
    2,
  ),
  kind('delayed: no body', 'gone', (random, scene, name) => [
    ['ZADD', key(scene, 'delayed'), random.pick(['-inf', '0']), name],
  ]),
  kind('delayed: never due', 'stays', (random, scene, name) => [
    [
      'HSET',
      key(scene, 'delayed_bodies'),
      name,
      random.pick([...BODIES, `["event",${JSON.stringify(eventJson())}]`]),
    ],
    ['ZADD', key(scene, 'delayed'), random.pick(['inf', '1e300']), name],
  ]),
  kind('delayed: a body of nothing', 'stays', (random, scene, name) => [
    ['HSET', key(scene, 'delayed_bodies'), name, random.pick(BODIES)],
  ]),
  kind('dead letters: a body that is none', 'stays', (random, scene, name) => [
    ['HSET', key(scene, 'dead_letter_bodies'), name, random.pick(LETTERS)],
    ['ZADD', key(scene, 'dead_letters'), random.pick([String(Date.now()), 'inf', '1e300']), name],
  ]),
];

function kind(name: string, fate: Fate, commands: KeyKind['commands'], weight = 1): KeyKind {
  return { name, fate, commands, weight };
}
