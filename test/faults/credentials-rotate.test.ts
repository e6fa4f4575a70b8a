import { expect, it } from 'vitest';
import { runCampaign } from '../../chaos/credentials/campaign.js';
import { KINDS } from '../../chaos/credentials/redis-kinds.js';
import '../support/nest.js';

it.each(KINDS)(
  'while passwords change and connections are cut, each message is handled once: %s',
  async (kind) => {
    const result = await runCampaign({ kind, messages: 300, rotations: 4, pauseMs: 200 });
    expect(result).toMatchObject({
      error: undefined,
      answered: 300,
      emitted: 300,
      lost: 0,
      startedTwice: 0,
      state: { waiting: 0, running: 0, delayed: 0, deadLetters: 0 },
    });
    // Each of them was used.
    expect(result.passwords).toBe(5);
  },
  120_000,
);
