import { afterEach, describe, expect, it } from 'vitest';
import { SCRIPTS } from '../../libs/elkmq/src/redis/scripts.generated.js';
import { LaneModel } from '../support/lane-model/run.js';
import { newQueueName, redis } from '../support/queue.js';

const first = Number(process.env['ORDER_SEED'] ?? 1);
const count = Number(process.env['ORDER_SEEDS'] ?? 10);
const operations = Number(process.env['ORDER_OPERATIONS'] ?? 1_000);
const seeds = Array.from({ length: count }, (_, n) => first + n);

describe('whatever clients, workers and their deaths do at random,', () => {
  let queue: string;
  afterEach(async () => {
    const keys = await redis.keys(`${queue}(*`);
    if (keys.length > 0) await redis.del(keys);
  });

  it.each(seeds)(
    'messages of a key run one at a time and in order, and none is left, without any healing (seed %i)',
    async (seed) => {
      queue = newQueueName();
      const model = new LaneModel(queue, { seed, operations, isSwept: false, hasHands: false });
      expect((await model.run()).slice(0, 5)).toEqual([]);
    },
  );

  it.each(seeds)(
    'they do so while entries, stream and group are deleted by hand, and lanes heal (seed %i)',
    async (seed) => {
      queue = newQueueName();
      const model = new LaneModel(queue, { seed, operations, isSwept: true, hasHands: true });
      expect((await model.run()).slice(0, 5)).toEqual([]);
    },
  );
});

it('who sends no ordering key pays nothing: the scripts of plain messages know nothing of lanes', () => {
  expect(SCRIPTS.enqueue.sha1).toBe('eb14025a115e08a656ea408b2dcc82386c4cc21a');
  // The script of settlements pushes replies too. The last changes of both were names of arguments.
  expect(SCRIPTS.settle.sha1).toBe('a0dbfe1b81568feeec02fec907494df4d674779d');
});
