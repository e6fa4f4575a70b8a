import { describe, expect, it } from 'vitest';
import { functionOf, prologueOf } from '../../scripts/lua/functions.mjs';
import { checkBody, mergeHeaders, parseHeader } from '../../scripts/lua/header.mjs';

const read = (...lines: string[]) => parseHeader('x.lua', [...lines, '', 'return 1', ''].join('\n'));

const RENEW = [
  '-- Renews leases. It is',
  '-- short.',
  '-- KEYS',
  '--   event_stream',
  '--   inbox?            of the caller,',
  '--                     when one waits',
  '-- ARGV',
  '--   group',
  '--   min_idle: number  ms',
  '--   is_listed: boolean',
  '--   ids...            of the entries',
  '-- Returns the ids that are lost.',
];

describe('the header of a Lua script', () => {
  it('gives keys and arguments their names in Lua', () => {
    expect(prologueOf(read(...RENEW))).toBe(
      'local event_stream, inbox = KEYS[1], KEYS[2]\n' +
        "local group, min_idle, is_listed, ids_at = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', 4\n",
    );
  });

  it('becomes a function with its first sentence, the names and the types', () => {
    const text = functionOf('renew', read(...RENEW));
    expect(text).toContain('/** Renews leases. */\nexport function renew(keys: {');
    expect(text).toContain(
      '    /** of the caller, when one waits */\n    readonly inbox?: string | undefined;',
    );
    expect(text).toContain('readonly minIdle: number;');
    expect(text).toContain('readonly isListed: boolean;');
    expect(text).toContain('readonly ids: readonly string[];');
    expect(text).toContain('keys: [keys.eventStream, ...(keys.inbox === undefined ? [] : [keys.inbox])]');
    expect(text).toContain('args: [args.group, args.minIdle, Number(args.isListed), ...args.ids]');
  });

  it('becomes comments of at most 110 characters a line', () => {
    const words = Array.from({ length: 60 }, (_, n) => `word${String(n)}`);
    const text = functionOf(
      'renew',
      read(`-- ${words.join(' ')}.`, '-- KEYS', `--   key  ${words.join(' ')}`),
    );
    const lines = text.split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(110);
    expect(lines.slice(0, 2)).toEqual(['/**', expect.stringMatching(/^ \* word0 .* word15$/)]);
    expect(lines).toContainEqual(expect.stringMatching(/^ {5}\* word0 /));
    expect(text.match(/word\d+/g)).toEqual([...words, ...words]);
  });

  it('tells the values of a group over several lines, each but the last with a comma at its end', () => {
    const line = '--   ends...  per inbox: inbox: number,';
    const header = read('-- ARGV', line, '--     ids...', '--     `inbox` is its number.');
    expect(header.args).toMatchObject([
      {
        members: [
          { name: 'inbox', type: 'number' },
          { name: 'ids', isList: true },
        ],
        text: 'per inbox. `inbox` is its number.',
      },
    ]);
    expect(() => read('-- ARGV', line)).toThrow('x.lua:2: the values of the group end with a comma');
  });

  it('tells the values of a group; the length of a list comes before it', () => {
    const header = read(
      '-- KEYS',
      '--   event_stream',
      '-- ARGV',
      '--   ends...  per inbox: inbox: number, ids...',
    );
    expect(functionOf('settle', header)).toContain(
      'readonly ends: readonly { readonly inbox: number; readonly ids: readonly string[] }[]',
    );
    expect(functionOf('settle', header)).toContain(
      [
        '  for (const each of args.ends) {',
        '    list.push(each.inbox);',
        '    list.push(each.ids.length);',
        '    for (const value of each.ids) list.push(value);',
        '  }',
      ].join('\n'),
    );
  });

  it.each([
    [
      'the form of before',
      ['-- KEYS: 1 event stream'],
      "x.lua:1: '-- KEYS: 1 event stream' has an unknown form",
    ],
    ['another form', ['-- ARGV', '--   group, id'], "x.lua:2: '--   group, id' has an unknown form"],
    ['a name with capitals', ['-- ARGV', '--   minIdle'], "x.lua:2: '--   minIdle' has an unknown form"],
    ['an unknown type', ['-- ARGV', '--   id: integer'], "x.lua:2: '--   id: integer' has an unknown form"],
    ['a continuation of nothing', ['-- KEYS', '--     of the caller'], 'x.lua:2: '],
    [
      'a name used twice',
      ['-- KEYS', '--   id', '-- ARGV', '--   id'],
      "x.lua:4: the name 'id' is used twice, first at x.lua:2",
    ],
    ['a word of Lua', ['-- ARGV', '--   end'], "x.lua:2: 'end' is a word of Lua"],
    [
      'a list that is not last',
      ['-- ARGV', '--   ids...', '--   group'],
      "x.lua:2: 'ids' is a list, so it must be the last one",
    ],
    [
      'an optional one that is not last',
      ['-- KEYS', '--   inbox?', '--   event_stream'],
      "x.lua:2: 'inbox' may be left out, so it must be the last one",
    ],
    [
      'a second section of one kind',
      ['-- KEYS', '--   a', '-- KEYS', '--   b'],
      'x.lua:3: the header has first KEYS',
    ],
    ['ARGV before KEYS', ['-- ARGV', '--   a', '-- KEYS', '--   b'], 'x.lua:3: the header has first KEYS'],
    [
      'a group with another form',
      ['-- ARGV', '--   a...  per entry: id; text'],
      "x.lua:2: 'id; text' is not a value of a group",
    ],
    [
      'a list within a group',
      ['-- ARGV', '--   a...  per entry: ids..., text'],
      'x.lua:2: only the last value of a group can be a list',
    ],
    [
      'a name used twice in a group',
      ['-- ARGV', '--   a...  per entry: id, id'],
      "x.lua:2: the name 'id' is used twice in the group",
    ],
  ])('is refused with its file and line: %s', (_what, lines, message) => {
    expect(() => read(...lines)).toThrow(message);
  });
});

describe('a file that a Lua script includes', () => {
  const own = read('-- KEYS', '--   event_stream', '--   inboxes...', '-- ARGV', '--   group');
  const include = (...lines: string[]) => parseHeader('shared/y.lua', lines.join('\n'));

  it('adds the keys and arguments that it needs, and shares those that are there', () => {
    const { keys, args } = mergeHeaders(own, [
      include('-- KEYS', '--   producer', '--   event_stream', '-- ARGV', '--   slot', '--   group'),
    ]);
    expect(keys.map(({ name }) => name)).toEqual(['event_stream', 'producer', 'inboxes']);
    expect(args.map(({ name }) => name)).toEqual(['group', 'slot']);
  });

  it('may do without a key that the script always has', () => {
    const { keys } = mergeHeaders(own, [include('-- KEYS', '--   event_stream?')]);
    expect(keys.map(({ form }) => form)).toEqual(['one', 'list']);
  });

  it.each([
    [
      'another type',
      ['-- ARGV', '--   group: number'],
      "shared/y.lua:2: 'group' is declared in another way at x.lua:5",
    ],
    [
      'another form',
      ['-- KEYS', '--   inboxes'],
      "shared/y.lua:2: 'inboxes' is declared in another way at x.lua:3",
    ],
    [
      'an argument that is a key',
      ['-- ARGV', '--   event_stream'],
      "shared/y.lua:2: 'event_stream' is a key here and an argument",
    ],
    [
      'a second list',
      ['-- KEYS', '--   records...'],
      "x.lua:3: 'inboxes' is a list, so it must be the last one",
    ],
  ])('is refused when it declares a name in another way: %s', (_what, lines, message) => {
    expect(() => mergeHeaders(own, [include(...lines)])).toThrow(message);
  });
});

describe('the body of a Lua script', () => {
  const check = (line: string) => {
    checkBody('x.lua', `-- Reads.\n${line}\n`);
  };

  it.each([
    [
      'a key by its number',
      "redis.call('DEL', KEYS[3])",
      'x.lua:2: a key or an argument is used by its number',
    ],
    [
      'an argument from the end',
      'return ARGV[#ARGV - 1]',
      'x.lua:2: a key or an argument is used by its number',
    ],
    ['a command that is not written out', 'redis.pcall(name)', 'x.lua:2: a call does not name its command'],
  ])('is refused with its file and line: %s', (_what, line, message) => {
    expect(() => {
      check(line);
    }).toThrow(message);
  });

  it.each(["redis.call('DEL', record)", 'local id = ARGV[i + 1]', '-- ARGV[1] in a comment'])(
    'may have %s',
    (line) => {
      expect(() => {
        check(line);
      }).not.toThrow();
    },
  );
});
