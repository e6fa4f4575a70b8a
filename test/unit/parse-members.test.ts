import { describe, expect, it } from 'vitest';
import { InvalidOptionError } from '../../libs/elkmq/src/model/errors.js';
import { parseMembers } from '../../libs/elkmq/src/model/options.js';

describe('an option that is an object', () => {
  const parse = (given: unknown, other?: string) => () =>
    parseMembers('rate', given, ['per', 'limit'], other);

  it.each([[{}], [{ limit: 5 }], [{ limit: 5, per: undefined }]])('%j is taken as it is', (given) => {
    expect(parse(given)()).toBe(given);
  });

  it.each<[unknown, string]>([
    [undefined, 'rate must be { limit, per }, got undefined'],
    [null, 'rate must be { limit, per }, got null'],
    [5, 'rate must be { limit, per }, got 5'],
    ['5', 'rate must be { limit, per }, got "5"'],
    [[], 'rate must be { limit, per }, got an array of 0'],
    [{ limit: 5, max: 1 }, 'rate has no option "max"; it has limit, per'],
  ])('%j is refused', (given, message) => {
    expect(parse(given)).toThrow(new InvalidOptionError(message));
  });

  it('may be something else too: the error says what', () => {
    const message = 'rate must be a number or { limit, per }, got "5"';
    expect(parse('5', 'a number')).toThrow(new InvalidOptionError(message));
  });
});
