import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { decodeEvent, encodeEvent } from '../../libs/elkmq/src/model/codec.js';
import { JsonParseError } from '../../libs/elkmq/src/model/errors.js';
import { hyphenated, nextRequestId } from '../../libs/elkmq/src/model/request-ids.js';
import { ServiceEvent } from '../../libs/elkmq/src/model/service-event.js';

interface Recorded {
  events: { value: string; uuid: string; timeout: number; action: string; payload: string | null }[];
  readByTheOriginal: { accepted: string[]; refused: string[] };
}

const file = await readFile(new URL('../data/wire-vectors.json', import.meta.url), 'utf8');
const recorded = JSON.parse(file) as Recorded;
const { accepted, refused } = recorded.readByTheOriginal;

const MAX_UUID = 2n ** 128n - 1n;

function partsOf({ uuid, timeout, action, payload }: ServiceEvent) {
  return [uuid, timeout, action, payload];
}

function refusalOf(json: string): unknown {
  try {
    return decodeEvent(json);
  } catch (error) {
    return error;
  }
}

describe('what the original wrote', () => {
  it.each(recorded.events)('is read, and written byte for byte: $value', (event) => {
    const { value, uuid, timeout, action, payload } = event;
    const read = decodeEvent(value);
    expect(partsOf(read)).toEqual([BigInt(`0x${uuid.replaceAll('-', '')}`), timeout, action, payload]);
    expect(hyphenated(read.requestId)).toBe(uuid);
    expect(Buffer.from(encodeEvent(read))).toEqual(Buffer.from(value));
  });
});

describe('what the original reads', () => {
  const parts = [
    [MAX_UUID, 65_535, 'a', ''],
    [7n, 1, '', '😀\u0000'],
    [7n, 1, 'a', null],
    [7n, 1, 'a', null],
  ];

  it.each(accepted.map((json, index) => ({ json, expected: parts[index] })))(
    'is read: $json',
    ({ json, expected }) => {
      expect(partsOf(decodeEvent(json))).toEqual(expected);
    },
  );

  it('may name members that nobody knows, as often as it likes', () => {
    const json = '{"x":[1,{"y":"\\"},"}],"request_uuid":7,"x":"a,b","timeout":1,"action":"a","":null}';
    expect(partsOf(decodeEvent(json))).toEqual([7n, 1, 'a', null]);
  });

  it('may have a timeout of 0, which the response does not repeat', () => {
    const event = decodeEvent('{"request_uuid":7,"timeout":0,"action":"a","payload":null}');
    expect(event.timeout).toBe(0);
    expect(ServiceEvent.responseTo(event, 'b').timeout).toBe(1);
  });
});

describe('what the original refuses', () => {
  const reasons = {
    uuid: 'request_uuid is not an unsigned 128-bit integer',
    timeout: 'timeout is not an integer from 0 to 65535',
    action: 'action is not a string',
    payload: 'payload is neither a string nor null',
    form: 'not an object',
  };
  const { uuid, timeout, action, payload, form } = reasons;
  const twice = 'timeout stands twice';
  const why = [uuid, uuid, uuid, uuid, timeout, timeout, timeout, action, payload, payload, twice];

  it.each(refused.map((json, index) => ({ json, reason: why[index] })))(
    'is refused, with the reason: $json',
    ({ json, reason }) => {
      const error = refusalOf(json);
      expect(error).toBeInstanceOf(JsonParseError);
      expect(error).toMatchObject({
        code: 'JSON_PARSE_FAILED',
        message: `not a service event: ${String(reason)}: ${json}`,
      });
    },
  );

  it.each([
    ['nothing', '', form],
    ['null', 'null', form],
    ['a string', '"text"', form],
    ['an empty object', '{}', uuid],
    ['an array that is too short', '[7,1,"a"]', 'an array of 4 was expected'],
    ['text that follows', '{"request_uuid":7,"timeout":1,"action":"a","payload":null} x', form],
    ['a raw control character', '{"request_uuid":7,"timeout":1,"action":"a","payload":"\n"}', form],
    ['a leading zero', '{"request_uuid":07,"timeout":1,"action":"a","payload":null}', form],
    ['half of a surrogate pair', '{"request_uuid":7,"timeout":1,"action":"\\udc00","payload":null}', action],
    ['a member twice, once with escapes', '{"\\u0074imeout":1,"timeout":1,"action":"a"}', twice],
    ['a decimal exponent', '{"request_uuid":7,"timeout":1e1,"action":"a","payload":null}', timeout],
  ])('is refused as well: %s', (_what, json, reason) => {
    expect(refusalOf(json)).toMatchObject({ message: `not a service event: ${reason}: ${json}` });
  });

  it('is shown in part when it is long', () => {
    const error = refusalOf(`"${'x'.repeat(1_000_000)}"`);
    expect(error).toHaveProperty('message', expect.stringMatching(/: "x{199}… \(1000002 characters\)$/));
  });
});

describe('a new event', () => {
  it('has an id that no other has, which the wire can carry', () => {
    const ids = Array.from({ length: 10_000 }, nextRequestId);
    expect(new Set(ids).size).toBe(ids.length);
    expect(ids.every((id) => /^[1-9]\d*$/.test(id) && BigInt(id) <= MAX_UUID)).toBe(true);
  });

  it('is written in the order and form of the original', () => {
    const event = new ServiceEvent(10, 'tëst "1"', 'a\nb\u0001\u007f\u2028😀');
    const text = '"tëst \\"1\\"","payload":"a\\nb\\u0001\u007f\u2028😀"';
    expect(encodeEvent(event)).toBe(`{"request_uuid":${event.requestId},"timeout":10,"action":${text}}`);
  });
});
