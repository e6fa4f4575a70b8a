import type { ClusterOptions, RedisOptions } from 'ioredis';
import { InvalidOptionError } from '../model/errors.js';
import { formatValue } from '../model/options.js';

const ACCEPTED_URL =
  'a URL such as redis://127.0.0.1:6379, rediss://user:password@host:6380/1 or unix:///path';

const MAX_PORT = 65_535;

/** @throws {InvalidOptionError} */
export function checkUrl(url: string): void {
  if (!URL.canParse(url) || isReadOtherwise(url)) {
    throw new InvalidOptionError(`url must be ${ACCEPTED_URL}, got ${formatValue(withoutSecret(url))}`);
  }
  const { protocol, username, password, port, pathname, searchParams } = new URL(url);
  if (!['redis:', 'rediss:', 'unix:'].includes(protocol)) {
    throw new InvalidOptionError(
      `url must be ${ACCEPTED_URL}, got one with the protocol ${formatValue(protocol)}`,
    );
  }
  if (!canDecode(username) || !canDecode(password)) {
    throw new InvalidOptionError(
      'url must have its user and password percent-encoded: a % is written as %25',
    );
  }
  // ioredis reads all its own options from there.
  checkKeyPrefix(searchParams.get('keyPrefix'));
  if (protocol !== 'unix:') checkPort(port === '' ? (searchParams.get('port') ?? undefined) : port);
  const path = protocol === 'unix:' ? '' : pathname.slice(1);
  checkDatabase(path === '' ? (searchParams.get('db') ?? undefined) : path);
}

/**
 * Whether ioredis reads the URL in another way than `URL` does, which forgives more. White space at an end,
 * or a scheme without slashes, becomes a part of a path. `REDISS://` would connect without TLS.
 */
function isReadOtherwise(url: string): boolean {
  const hasStraySpace = url.trim() !== url || /[\t\n\r]/.test(url);
  return hasStraySpace || (/^(?:rediss?|unix):/i.test(url) && !/^(?:rediss?|unix):\/\//.test(url));
}

function withoutSecret(url: string): string {
  return url.replace(/^(\w+:\/\/)?.*@/s, '$1…@').replace(/\?.*/s, '?…');
}

/** @throws {InvalidOptionError} */
export function checkOptions({ keyPrefix, db, host, port, path, sentinels }: RedisOptions): void {
  checkKeyPrefix(keyPrefix);
  checkDatabase(db);
  // The address is elsewhere.
  if (path || sentinels) return;
  checkHost(host);
  checkPort(port);
}

/** @throws {InvalidOptionError} */
export function checkCluster({ keyPrefix, redisOptions, scaleReads }: ClusterOptions): void {
  checkKeyPrefix(keyPrefix ?? redisOptions?.keyPrefix);
  const db: unknown = redisOptions?.db ?? 0;
  if (Number(db) !== 0) throw new InvalidOptionError(`db must be 0 on Redis Cluster, got ${formatValue(db)}`);
  if (scaleReads !== undefined && scaleReads !== 'master') {
    throw new InvalidOptionError(`scaleReads must be 'master', got ${formatValue(scaleReads)}`);
  }
}

function canDecode(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function checkKeyPrefix(keyPrefix: string | null | undefined): void {
  if (!keyPrefix) return;
  throw new InvalidOptionError(
    `keyPrefix must not be set, got ${formatValue(keyPrefix)}: the original's clients would not find the keys. Put it into the name of the queue`,
  );
}

/** Refuses a wrong host, for the same reason as a wrong port. */
function checkHost(host: unknown): void {
  if (host === undefined || host === null || typeof host === 'string') return;
  throw new InvalidOptionError(`host must be a string, got ${formatValue(host)}`);
}

/** Refuses a wrong port: ioredis would end the connection for good, as if its `retryStrategy` had said so. */
function checkPort(port: unknown): void {
  if (port === undefined) return;
  const number = typeof port === 'string' && /^\d+$/.test(port) ? Number(port) : port;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= MAX_PORT) return;
  throw new InvalidOptionError(
    `port must be a whole number from 1 to ${String(MAX_PORT)}, got ${formatValue(port)}`,
  );
}

/** Refuses a wrong database: ioredis would use database 0 in its place. */
function checkDatabase(db: unknown): void {
  if (db === undefined || db === null || (typeof db === 'number' && Number.isInteger(db) && db >= 0)) return;
  if (typeof db === 'string' && /^\d+$/.test(db)) return;
  throw new InvalidOptionError(`the database must be a whole number from 0, got ${formatValue(db)}`);
}
