import fc from 'fast-check';
import { expect, it } from 'vitest';
import { InFlight } from '../../libs/elkmq/src/settling/in-flight.js';
import { RequestTable } from '../../libs/elkmq/src/requests/request-table.js';

class Request {
  next: this | undefined;
  inFlightIndex = -1;
  constructor(readonly requestId: string) {}
}

/** Ids of this package, which follow one another, and any others. */
const id = fc.oneof(
  fc.integer({ min: 0, max: 3_000 }).map((n) => `12345678901234567890${String(1_000_000 + n)}`),
  fc.bigInt({ min: 0n, max: 2n ** 128n - 1n }).map(String),
);
const steps = fc.array(fc.record({ id, isAdded: fc.boolean() }), { maxLength: 2_000, size: 'max' });

it('requests are found by their ids, however many come and go', () => {
  fc.assert(
    fc.property(steps, (steps) => {
      const lookup = new RequestTable<Request>();
      const running = new InFlight<Request>();
      const expected = new Map<string, Request>();
      for (const { id, isAdded } of steps) {
        const known = expected.get(id);
        expect(lookup.get(id)).toBe(known);
        if (isAdded && !known) {
          const request = new Request(id);
          lookup.addRequest(request);
          running.addDelivery(request);
          expected.set(id, request);
        } else if (known) {
          lookup.removeRequest(known);
          expect(running.removeDelivery(known)).toBe(true);
          expected.delete(id);
          // Twice is as good as once.
          lookup.removeRequest(known);
          expect(running.removeDelivery(known)).toBe(false);
        }
      }
      expect(new Set(lookup.all())).toEqual(new Set(expected.values()));
      expect(new Set(running)).toEqual(new Set(expected.values()));
      expect(running.size).toBe(expected.size);
    }),
    { numRuns: 50 },
  );
});

it('a request that has ended leads to none that is younger, so that the garbage collector is done with it', () => {
  const lookup = new RequestTable<Request>();
  // All in one place.
  const requests = ['1', '2', '3', '4'].map((head) => new Request(`${head}000000`));
  for (const request of requests) lookup.addRequest(request);
  for (const request of requests) {
    lookup.removeRequest(request);
    expect(request.next).toBeUndefined();
  }
  expect(lookup.all()).toEqual([]);
});

it('10,000 requests that wait at once are found without a search', () => {
  const lookup = new RequestTable<Request>();
  const requests = Array.from({ length: 10_000 }, (_, n) => new Request(`77${String(100_000_000 + n)}`));
  for (const request of requests) lookup.addRequest(request);
  expect(requests.every((request) => lookup.get(request.requestId) === request)).toBe(true);
  // Each is alone in its place.
  expect(requests.filter(({ next }) => next !== undefined)).toEqual([]);
});
