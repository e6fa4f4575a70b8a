import { describe, expect, it } from 'vitest';
import { loadCron } from '../../libs/elkmq/src/schedules/occurrences.js';
import { occurrencesToSend } from '../../libs/elkmq/src/schedules/scheduler.js';

const readCron = await loadCron();
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

function at(time: string): number {
  return Date.parse(time);
}

function timesAfter(cron: string, timezone: string, start: string, count: number): string[] {
  const occurrences = readCron(cron, timezone);
  const times: string[] = [];
  for (let time = at(start); times.length < count;) {
    time = occurrences.after(time) as number;
    times.push(new Date(time).toISOString());
  }
  return times;
}

describe('the occurrences of a cron expression', () => {
  it('come after a time, not at it, and up to a time, also at it', () => {
    const { after, upTo } = readCron('0 3 * * *', 'UTC');
    const three = at('2026-03-01T03:00:00Z');
    expect(after(three - 1)).toBe(three);
    expect(after(three)).toBe(three + 24 * HOUR);
    expect(upTo(three)).toBe(three);
    expect(upTo(three + 0.7)).toBe(three);
    expect(upTo(three - 1)).toBe(three - 24 * HOUR);
  });

  it('of an hour that a change of the clock skips come once, when the hour is over', () => {
    expect(timesAfter('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z', 2)).toEqual([
      '2026-03-29T01:00:00.000Z',
      '2026-03-30T00:30:00.000Z',
    ]);
  });

  it('of an hour that a change of the clock repeats come once', () => {
    expect(timesAfter('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z', 2)).toEqual([
      '2026-10-25T00:30:00.000Z',
      '2026-10-26T01:30:00.000Z',
    ]);
    const { upTo } = readCron('30 2 * * *', 'Europe/Berlin');
    expect(upTo(at('2026-10-25T12:00:00Z'))).toBe(at('2026-10-25T00:30:00Z'));
  });

  it.each([
    ['every minute', 'UTC', 'got "every minute" in "UTC": CronPattern'],
    ['0 0 31 2 *', 'UTC', 'it has no time at all'],
    ['2030-01-01T00:00:00', 'UTC', 'a date is no cron expression'],
    ['* * * * * * 2030', 'UTC', 'requires exactly 5 or 6 parts'],
    ['* * * * *', 'Mars/Olympus', 'Mars/Olympus'],
  ])('cannot be those of %j in %s', (cron, timezone, why) => {
    expect(() => readCron(cron, timezone)).toThrow(why);
    expect(() => readCron(cron, timezone)).toThrow('cron must be a cron expression of five or six fields');
  });
});

describe('what is sent for a schedule that is due', () => {
  const hourly = readCron('0 * * * *', 'UTC');
  const due = at('2026-05-01T10:00:00Z');
  const next = (hours: number) => due + hours * HOUR;

  it.each(['one', 'all', 'none'] as const)('is its occurrence, when nothing was missed (%s)', (missed) => {
    expect(occurrencesToSend(missed, hourly, due, due + 5)).toEqual({ events: [due], next: next(1) });
  });

  it('is the latest occurrence of those that were missed', () => {
    const sent = { events: [next(5)], next: next(6) };
    expect(occurrencesToSend('one', hourly, due, next(5) + 30 * MINUTE)).toEqual(sent);
  });

  it('is each of them, 100 in one call', () => {
    const few = { events: [due, next(1), next(2)], next: next(3) };
    expect(occurrencesToSend('all', hourly, due, next(2) + MINUTE)).toEqual(few);
    const many = occurrencesToSend('all', hourly, due, next(250));
    expect(many.events).toHaveLength(100);
    expect(many.next).toBe(next(100));
  });

  it('is none of them, unless the latest is at most a minute late', () => {
    expect(occurrencesToSend('none', hourly, due, next(5) + MINUTE + 1)).toEqual({
      events: [],
      next: next(6),
    });
    expect(occurrencesToSend('none', hourly, due, next(5) + MINUTE).events).toEqual([next(5)]);
  });

  it('is the one that is noted, also when it is no time of the expression', () => {
    expect(occurrencesToSend('one', hourly, due + 1, due + 2)).toEqual({ events: [due + 1], next: next(1) });
  });
});
