import { Redis, type Cluster, type RedisOptions } from 'ioredis';
import { InvalidOptionError } from '../errors.js';
import { shown } from '../options.js';
import { checkCluster, checkOptions, checkUrl } from './check-source.js';
import { Credentials, type Login } from './credentials.js';

/**
 * Where Redis is: a URL (`redis://`, `rediss://`, `unix://`), the options of ioredis, an ioredis instance, or a
 * function that makes one. An instance is a template: connections are duplicates of it, and it is never closed.
 * An instance that the function makes is closed as soon as it has been copied.
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
  /** What all its connections log in with. */
  readonly credentials: Credentials;
  readonly #make: (commandTimeout: number) => Redis | Cluster;

  /**
   * @param credentials the function of that option, if it is given
   * @throws {InvalidOptionError}
   */
  constructor(input: RedisSourceInput = DEFAULT_URL, credentials?: unknown) {
    const template = typeof input === 'function' ? templateOf(input) : input;
    this.isCluster = isCluster(template);
    checkTemplate(template);
    const login = loginOf(template);
    const needsLogin = Boolean(credentials ?? login.password);
    this.#make = (commandTimeout) => connectionLike(template, overridesFor(needsLogin, commandTimeout));
    if (credentials !== undefined) {
      this.credentials = Credentials.fromFunction(credentials, login.username);
    } else if (typeof input === 'string') this.credentials = Credentials.ofSource();
    else {
      const read = (): Login => loginOf(typeof input === 'function' ? templateOf(input) : input);
      this.credentials = Credentials.ofSource(read);
    }
  }

  /** A new client, not yet connected. @param commandTimeout ms after which a command without an answer fails */
  make(commandTimeout: number): Redis | Cluster {
    return this.#make(commandTimeout);
  }
}

type Template = string | RedisOptions | Redis | Cluster;

/** @throws {InvalidOptionError} */
function checkTemplate(template: Template): void {
  if (isCluster(template)) checkCluster(template.options);
  else if (typeof template === 'string') checkUrl(template);
  else if (isObject(template)) checkOptions(optionsOf(template));
  else {
    throw new InvalidOptionError(
      `redis must be a URL, ioredis options, a Redis or Cluster instance, or a function that makes one; got ${shown(template)}`,
    );
  }
}

type Overrides = ReturnType<typeof overridesFor>;

/**
 * The first answer on a connection may say why Redis lets nobody in. ioredis swallows it when it tells its own name first,
 * as it does where there is no AUTH. Behind an AUTH it must tell it: then a connection whose AUTH is refused is not taken
 * for ready.
 */
function overridesFor(needsLogin: boolean, commandTimeout: number) {
  return { ...OVERRIDES, disableClientInfo: !needsLogin, commandTimeout };
}

function connectionLike(template: Template, overrides: Overrides): Redis | Cluster {
  if (isCluster(template)) return duplicateCluster(template, overrides);
  if (isRedis(template)) return template.duplicate(overrides);
  return typeof template === 'string'
    ? new Redis(template, { ...DEFAULTS, ...overrides })
    : new Redis({ ...DEFAULTS, ...template, ...overrides });
}

/**
 * What the function makes is only copied, so it is closed at once. An instance that it gives a second time is not made
 * by it, but the application's own.
 */
function templateOf(make: () => Redis | Cluster): Redis | Cluster {
  const made = make();
  if (!isRedis(made)) return made;
  const another = make();
  if (another !== made) for (const instance of [made, another]) discard(instance);
  return made;
}

function discard(instance: Redis | Cluster): void {
  instance.on('error', () => undefined);
  instance.disconnect();
}

/** Read each time: an option may be a getter, and an instance may have been given another password. */
function loginOf(template: Template): Login {
  if (typeof template === 'string') {
    const { username, password } = new URL(template);
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  }
  const { username, password } =
    (isCluster(template) ? template.options.redisOptions : optionsOf(template)) ?? {};
  return { username, password };
}

/** 50 ms, doubling up to 2 s, each with a random half, so that a fleet does not come back all at once. */
function backOff(attempt: number): number {
  const full = Math.min(50 * 2 ** Math.min(attempt - 1, 10), 2_000);
  return full / 2 + (Math.random() * full) / 2;
}

function optionsOf(template: RedisOptions | Redis): RedisOptions {
  return isRedis(template) ? template.options : template;
}

function duplicateCluster(template: Cluster, overrides: Overrides): Cluster {
  const { lazyConnect, enableOfflineQueue, ...redisOverrides } = overrides;
  return template.duplicate([], {
    ...template.options,
    lazyConnect,
    enableOfflineQueue,
    // Otherwise it sends again what was on its way to a server that went away.
    retryDelayOnFailover: 0,
    redisOptions: { ...template.options.redisOptions, ...redisOverrides },
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
