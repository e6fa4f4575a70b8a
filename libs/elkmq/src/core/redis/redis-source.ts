import { Redis, type Cluster, type RedisOptions } from 'ioredis';
import { InvalidOptionError } from '../errors.js';
import { shown } from '../options.js';

/**
 * Where Redis is: a URL (`redis://`, `rediss://`, `unix://`), the options of ioredis, an ioredis instance, or a
 * function that makes one. An instance is a template: connections are duplicates of it, and it is never closed.
 */
export type RedisSourceInput = string | RedisOptions | Redis | Cluster | (() => Redis | Cluster);

const DEFAULT_URL = 'redis://127.0.0.1:6379';

/*
 * Resending is ours, because only a numbered batch can be sent twice without harm: ioredis queues nothing while
 * it is offline, and resends nothing by itself. RESP2, so that replies have one shape in ioredis 5 and 6.
 */
const OVERRIDES = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  // It answers a read as if nothing had come, and throws away what comes then.
  blockingTimeout: 0,
  stringNumbers: false,
  // While Redis loads, ioredis believes what it says of the time that takes, up to 10 s: others are back before (see Recoverer).
  maxLoadingRetryTime: 1_000,
  protocol: 2,
  replyMapping: 'legacy',
} as const;

/*
 * Unless the user says otherwise. An attempt to connect that hangs ends soon: workers have a few seconds to come back before
 * others take their messages (see Recoverer).
 */
const DEFAULTS = { retryStrategy: backOff, connectTimeout: 3_000 };

/** Makes the connections of one client or worker. */
export class RedisSource {
  readonly isCluster: boolean;
  readonly #make: (commandTimeout: number) => Redis | Cluster;

  /** @throws {InvalidOptionError} */
  constructor(input: RedisSourceInput = DEFAULT_URL) {
    const template = typeof input === 'function' ? input() : input;
    if (isCluster(template)) {
      this.isCluster = true;
      checkCluster(template);
      this.#make = (commandTimeout) => duplicateCluster(template, commandTimeout);
    } else if (isRedis(template)) {
      this.isCluster = false;
      checkOptions(template.options);
      this.#make = (commandTimeout) => template.duplicate({ ...OVERRIDES, commandTimeout });
    } else if (typeof template === 'string') {
      this.isCluster = false;
      checkUrl(template);
      this.#make = (commandTimeout) => new Redis(template, { ...DEFAULTS, ...OVERRIDES, commandTimeout });
    } else if (isObject(template)) {
      this.isCluster = false;
      checkOptions(template);
      this.#make = (commandTimeout) => new Redis({ ...DEFAULTS, ...template, ...OVERRIDES, commandTimeout });
    } else {
      throw new InvalidOptionError(
        `redis must be a URL, ioredis options, a Redis or Cluster instance, or a function that makes one; got ${shown(template)}`,
      );
    }
  }

  /** A new client, not yet connected. @param commandTimeout ms after which a command without an answer fails */
  make(commandTimeout: number): Redis | Cluster {
    return this.#make(commandTimeout);
  }
}

/** 50 ms, doubling up to 2 s, each with a random half, so that a fleet does not come back all at once. */
function backOff(attempt: number): number {
  const full = Math.min(50 * 2 ** Math.min(attempt - 1, 10), 2_000);
  return full / 2 + (Math.random() * full) / 2;
}

function checkCluster(template: Cluster): void {
  checkOptions(template.options);
  checkOptions(template.options.redisOptions ?? {});
  if (template.options.scaleReads !== undefined && template.options.scaleReads !== 'master') {
    throw new InvalidOptionError(`scaleReads must be 'master', got ${shown(template.options.scaleReads)}`);
  }
}

function duplicateCluster(template: Cluster, commandTimeout: number): Cluster {
  const { lazyConnect, enableOfflineQueue, ...redisOverrides } = OVERRIDES;
  return template.duplicate([], {
    ...template.options,
    lazyConnect,
    enableOfflineQueue,
    // Otherwise it sends again what was on its way to a server that went away.
    retryDelayOnFailover: 0,
    redisOptions: { ...template.options.redisOptions, ...redisOverrides, commandTimeout },
  });
}

/** By what it can do, not by class: it may come from another copy of ioredis. */
function isRedis(value: unknown): value is Redis {
  return isObject(value) && typeof (value as { duplicate?: unknown }).duplicate === 'function';
}

function isCluster(value: unknown): value is Cluster {
  return isRedis(value) && value.isCluster;
}

function isObject(value: unknown): value is RedisOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkUrl(url: string): void {
  const accepted = 'a URL such as redis://127.0.0.1:6379, rediss://user:password@host:6380/1 or unix:///path';
  if (!URL.canParse(url))
    throw new InvalidOptionError(`url must be ${accepted}, got ${shown(withoutSecret(url))}`);
  const { protocol } = new URL(url);
  if (!['redis:', 'rediss:', 'unix:'].includes(protocol)) {
    throw new InvalidOptionError(`url must be ${accepted}, got one with the protocol ${shown(protocol)}`);
  }
}

function withoutSecret(url: string): string {
  return url.replace(/^(\w+:\/\/)?.*@/s, '$1…@').replace(/\?.*/s, '?…');
}

function checkOptions(options: Pick<RedisOptions, 'keyPrefix'>): void {
  if (options.keyPrefix) {
    throw new InvalidOptionError(
      `keyPrefix must not be set, got ${shown(options.keyPrefix)}: the original's clients would not find the keys. Put it into the name of the queue`,
    );
  }
}
