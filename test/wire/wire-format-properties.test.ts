import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEvent, encodeEvent } from '../../libs/elkmq/src/model/codec.js';
import { JsonParseError } from '../../libs/elkmq/src/model/errors.js';
import { hyphenated } from '../../libs/elkmq/src/model/request-ids.js';
import { ServiceEvent } from '../../libs/elkmq/src/model/service-event.js';

const MAX_UUID = 2n ** 128n - 1n;
const uuids = fc.oneof(fc.bigInt({ min: 0n, max: MAX_UUID }), fc.constantFrom(0n, 2n ** 53n + 1n, MAX_UUID));
const delicate = [
  '"',
  '\\',
  '\n',
  '\u0000',
  '\u001f',
  '\u007f',
  '\u2028',
  '\ufeff',
  '😀',
  '{',
  '}',
  ',',
  ':',
];
/** Any well-formed text, with the characters that JSON treats in a way of their own more often than by chance. */
const texts = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: 'grapheme' }),
  fc.string({ unit: fc.constantFrom(...delicate) }),
);
const timeouts = fc.integer({ min: 0, max: 65_535 });
const events = fc
  .tuple(timeouts, texts, fc.option(texts), uuids)
  .map(([timeout, action, payload, uuid]) => new ServiceEvent(timeout, action, payload, String(uuid)));

function partsOf({ uuid, timeout, action, payload }: ServiceEvent) {
  return { uuid, timeout, action, payload };
}

describe('any event', () => {
  it('is the same when it was written and read', () => {
    fc.assert(
      fc.property(events, (event) => {
        expect(partsOf(decodeEvent(encodeEvent(event)))).toEqual(partsOf(event));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is JSON in the order of the original, as every reader of JSON understands it', () => {
    fc.assert(
      fc.property(events, (event) => {
        const { uuid, timeout, action, payload } = event;
        const understood = JSON.parse(encodeEvent(event)) as object;
        expect(understood).toEqual({ request_uuid: Number(uuid), timeout, action, payload });
        expect(Object.keys(understood)).toEqual(['request_uuid', 'timeout', 'action', 'payload']);
      }),
    );
  });

  it('has the hyphenated form of its uuid', () => {
    fc.assert(
      fc.property(uuids, (uuid) => {
        const text = hyphenated(String(uuid));
        expect(text).toMatch(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
        expect(BigInt(`0x${text.replaceAll('-', '')}`)).toBe(uuid);
      }),
    );
  });

  it('is read alike in whatever order and with whatever white space, escapes and further members', () => {
    const spaces = fc.string({ unit: fc.constantFrom(' ', '\n', '\r', '\t'), maxLength: 3 });
    const known = ['request_uuid', 'timeout', 'action', 'payload'];
    const names = fc.string().filter((name) => !known.includes(name));
    const further = fc.dictionary(names, fc.jsonValue(), { maxKeys: 4 });
    const dice = fc.infiniteStream(fc.nat());
    fc.assert(
      fc.property(events, further, spaces, dice, ({ requestId, ...event }, others, space, random) => {
        const roll = (): number => random.next().value as number;
        const members = Object.entries(others).map(([name, value]) => [name, JSON.stringify(value)]);
        members.push(['request_uuid', requestId], ['timeout', String(event.timeout)]);
        members.push(['action', escaped(event.action, roll)]);
        if (event.payload !== null) members.push(['payload', escaped(event.payload, roll)]);
        const written = members
          .map(([name, value]) => ({
            place: roll(),
            text: `${escaped(String(name), roll)}${space}:${String(value)}`,
          }))
          .sort((one, other) => one.place - other.place)
          .map(({ text }) => text);
        const json = `${space}{${space}${written.join(`${space},${space}`)}${space}}${space}`;
        expect(decodeEvent(json)).toMatchObject({ requestId, ...event });
      }),
      { numRuns: 1_000 },
    );
  });
});

describe('anything else', () => {
  function isReadOrRefused(json: string): boolean {
    try {
      return decodeEvent(json) instanceof ServiceEvent;
    } catch (error) {
      return error instanceof JsonParseError;
    }
  }

  it('is refused with a JsonParseError: any JSON, any text', () => {
    const members = {
      request_uuid: fc.nat(),
      timeout: fc.nat(),
      action: fc.string(),
      payload: fc.jsonValue(),
    };
    const almost = fc.record(members, { requiredKeys: [] }).map((value) => JSON.stringify(value));
    fc.assert(fc.property(fc.oneof(fc.json(), fc.string({ unit: 'binary' }), almost), isReadOrRefused), {
      numRuns: 2_000,
    });
  });

  it('is refused with a JsonParseError: an event of which a part is missing or another', () => {
    const other = fc.string({ unit: fc.constantFrom(...delicate, 'x', '7', '[', ']'), maxLength: 3 });
    fc.assert(
      fc.property(events, fc.nat(), fc.nat(3), other, (event, at, length, text) => {
        const json = encodeEvent(event);
        const place = at % json.length;
        const changed = json.slice(0, place) + text + json.slice(place + length);
        return isReadOrRefused(changed) && isReadOrRefused(json.slice(0, place));
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused with a JsonParseError: very deep, very long', () => {
    const deep = `{"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
    const longName = `{"${'\\n'.repeat(1_000_000)}":1}`;
    const longAction = `{"request_uuid":7,"timeout":1,"action":"${'x'.repeat(2_000_000)}","payload":1}`;
    expect([deep, longName, longAction].map(isReadOrRefused)).toEqual([true, true, true]);
  });
});

/** `text` as a JSON string, in which some characters are written as escapes that they do not need. */
function escaped(text: string, roll: () => number): string {
  const units = Array.from(text).map((character) => {
    if (roll() % 3 > 0) return JSON.stringify(character).slice(1, -1);
    const codes = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index));
    return codes.map((code) => `\\u${code.toString(16).padStart(4, '0')}`).join('');
  });
  return `"${units.join('')}"`;
}
