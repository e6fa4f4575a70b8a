import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';

/**
 * Makes the name of a worker. Host and process tell the reader of a dead letter or of `XINFO CONSUMERS` where
 * to look. The rest makes the name unique.
 */
export function workerName(): string {
  const host = hostname()
    .replace(/[^\w-]/g, '-')
    .slice(0, 40);
  return `${host}-${String(process.pid)}-${randomBytes(6).toString('base64url')}`;
}

/** Makes the name of a consumer: `WORKER.SESSION.LEASE`. The length of its lease is a part of it. */
export function consumerName(worker: string, session: number, leaseMs: number): string {
  return `${worker}.${String(session)}.${String(leaseMs)}`;
}

export function leaseOf(consumer: string, fallback: number): number {
  const lease = /\.\d+\.(\d+)$/.exec(consumer)?.[1];
  return lease === undefined ? fallback : Number(lease);
}
