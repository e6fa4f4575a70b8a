import { AbandonedError } from 'elkmq';
import { describe, expect, it } from 'vitest';
import { readEntry } from '../../libs/elkmq/src/model/entry.js';
import { Delivery, type DeliverySettler } from '../../libs/elkmq/src/settling/delivery.js';
import { ACKNOWLEDGE, DROP, type Outcome } from '../../libs/elkmq/src/settling/outcome.js';

const EVENT = '{"request_uuid":7,"timeout":60,"action":"ask","payload":"1"}';
const RETRY: Outcome = { kind: 'retry', delayMs: 5 };

/** Writes down what it is asked to do, in order. The test answers in place of Redis. */
class Notes implements DeliverySettler {
  readonly all: string[] = [];
  readonly delivery: Delivery;

  constructor() {
    const queued = readEntry(['1000-1', ['event', EVENT, 'reply_to', 'a-client']]);
    if (!queued) throw new Error('it is an event');
    this.delivery = new Delivery(queued, { consumer: 'w.1.1000', sentAt: 0 }, this);
  }

  now(): number {
    return 1_000;
  }

  isTriedAgain(): boolean {
    return false;
  }

  settleReplies(): void {
    this.all.push('replies');
  }

  carryOut(_delivery: Delivery, { kind }: Outcome): Promise<'kept'> {
    this.all.push(kind);
    return Promise.resolve('kept');
  }

  releaseDelivery({ state }: Delivery): void {
    this.all.push(state);
  }

  /** Takes the replies, as the settler does when the tick is over. Returns how many there are. */
  takeReplies(): number {
    return this.delivery.takeReplies(Infinity).replies.length;
  }
}

describe('A delivery', () => {
  it('ends once: the first outcome counts', async () => {
    const notes = new Notes();
    notes.delivery.end(RETRY);
    notes.delivery.end(ACKNOWLEDGE);
    notes.delivery.reply('1');
    await Promise.resolve();
    expect(notes.all).toEqual(['retry', 'ended']);
    expect(notes.delivery.outcome).toBe(RETRY);
  });

  it('is running, then settling until Redis has its outcome, then ended', () => {
    const notes = new Notes();
    expect(notes.delivery.state).toBe('running');
    notes.delivery.end(ACKNOWLEDGE);
    expect(notes.delivery.state).toBe('settling');
    notes.takeReplies();
    notes.delivery.onSettled('kept');
    expect(notes.delivery.state).toBe('ended');
    expect(notes.all).toEqual(['replies', 'ended']);
  });

  it('has its outcome carried out after the replies that are on their way', async () => {
    const notes = new Notes();
    notes.delivery.reply('1');
    notes.takeReplies();
    notes.delivery.end(RETRY);
    expect(notes.all).toEqual(['replies']);
    notes.delivery.onSettled('kept');
    await Promise.resolve();
    expect(notes.all).toEqual(['replies', 'retry', 'ended']);
  });

  it('sends its last replies and its end together', () => {
    const notes = new Notes();
    notes.delivery.reply('1');
    notes.delivery.reply('2');
    notes.delivery.end(ACKNOWLEDGE);
    const { replies, finished } = notes.delivery.takeReplies(Infinity);
    // The fourth part of a frame says whether it is the last.
    expect(replies.map((frame) => (JSON.parse(frame) as unknown[])[3])).toEqual([0, 1]);
    expect(finished).toBe(true);
    expect(notes.all).toEqual(['replies']);
  });

  it('sends nothing to a caller who is not there any more', () => {
    const notes = new Notes();
    notes.delivery.reply('1');
    notes.delivery.end(DROP);
    expect(notes.delivery.takeReplies(Infinity)).toEqual({ finished: true, replies: [] });
  });

  it('is lost when others have given it up: no reply goes out any more, and it stays lost', async () => {
    const notes = new Notes();
    notes.delivery.reply('1');
    notes.takeReplies();
    notes.delivery.onSettled('lost');
    expect(notes.all).toEqual(['replies', 'lost']);
    notes.delivery.reply('2');
    notes.delivery.end(ACKNOWLEDGE);
    await Promise.resolve();
    expect(notes.all).toEqual(['replies', 'lost', 'acknowledge', 'lost']);
  });

  it('is aborted only while its handler runs', () => {
    const notes = new Notes();
    const signal = notes.delivery.signal(true);
    notes.delivery.end(RETRY);
    notes.delivery.abort(new AbandonedError('the lease is lost'));
    expect(signal.aborted).toBe(false);
  });
});
