export { OutboxRelay, type OutboxRelayOptions } from './outbox-relay.js';
export type { OutboxId, OutboxMessage, RefusedRow, SendRows, SentRows } from './outbox-message.js';
