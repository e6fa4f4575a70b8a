/** The pattern that the worker answers with what it was sent. */
export const ECHO = 'bench.echo';

/** The pattern of events, which the worker only counts. */
export const EVENT = 'bench.event';

/** An order as a service might send it; its JSON is 150 bytes, each way. */
export const PAYLOAD = {
  id: '6f1c2a9e-0b7d-4c58-9a3e-51d2f0c4b687',
  customer: 'C-004821',
  items: [1042, 2210, 3307],
  total: 129.95,
  currency: 'EUR',
  paid: true,
  note: 'ring',
};
