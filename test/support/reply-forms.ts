import { redis, redisMajor, url } from './queue.js';

/** The variable is there and empty where the tests have no user of their own. */
const RULES = process.env['ELKMQ_TEST_USER'] || `~* ${redisMajor < 7 ? '' : '&* '}+@all`;

/** An address of the Redis of all tests, with a user who may not subscribe. */
async function urlWithoutPushes(): Promise<string> {
  const rules = [...RULES.split(' '), '-subscribe'];
  await redis.call('ACL', 'SETUSER', 'without-pushes', 'on', '>pw', ...rules);
  return url.replace(/\/\/(?:.*@)?/, '//without-pushes:pw@');
}

/** The forms in which a client gets its replies, each with an address for it. */
export const REPLY_FORMS: readonly (readonly [form: string, urlOf: () => Promise<string>])[] = [
  ['that are pushed', () => Promise.resolve(url)],
  ['by blocking reads', urlWithoutPushes],
];
