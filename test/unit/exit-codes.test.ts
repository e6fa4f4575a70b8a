import { expect, it } from 'vitest';
import { exitCodeOf } from '../../libs/elkmq/src/cli/exit.js';
import { ConnectionError, QueueFullError, TimeoutExpiredError } from '../../libs/elkmq/src/model/errors.js';

it('an error that nobody has foreseen has an exit code of its own, so a probe does not take it for a finding', () => {
  expect(exitCodeOf(new TypeError('x is not a function'))).toBe(4);
  expect(exitCodeOf('not even an error')).toBe(4);
  expect(exitCodeOf(new ConnectionError('Redis is away'))).toBe(3);
  expect(exitCodeOf(new QueueFullError('it is full'))).toBe(1);
  expect(exitCodeOf(new TimeoutExpiredError('no response'))).toBe(1);
});
