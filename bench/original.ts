/** The original crate (elk-mq 0.1): measured once, on 2 cores over loopback, and not again with each run. */
export const ORIGINAL = {
  enqueuesPerSecond: 6_500,
  dequeuesPerSecond: 6_300,
  p50Ms: 0.5,
  p99Ms: 1,
  /** Four requesters, two servers. */
  requestsPerSecond: 3_200,
  /** One requester that waits. */
  waiting: { commandsPerSecond: 13_000, redisCpu: 0.4 },
} as const;

const count = (value: number) => value.toLocaleString('en-US');

export const ORIGINAL_AS_TEXT =
  `The original crate, measured once on 2 cores over loopback: ${count(ORIGINAL.enqueuesPerSecond)} enqueues and ` +
  `${count(ORIGINAL.dequeuesPerSecond)} dequeues per second; request-reply p50 ${ORIGINAL.p50Ms} ms, p99 ${ORIGINAL.p99Ms} ms, ` +
  `${count(ORIGINAL.requestsPerSecond)} req/s with 4 requesters and 2 servers.\n` +
  `One requester that waits sends ` +
  `${count(ORIGINAL.waiting.commandsPerSecond)} XREADs per second and takes ${ORIGINAL.waiting.redisCpu * 100} % of a Redis core.`;
