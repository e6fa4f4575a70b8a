import { Redis, type Cluster, type RedisOptions } from 'ioredis';
import { InvalidOptionError } from '../model/errors.js';
import { formatValue } from '../model/options.js';
import { checkCluster, checkOptions, checkUrl } from './check-source.js';
import { Credentials, type Login } from './credentials.js';
import { reconnectPause } from './reconnect-pause.js';

/**
 * The address of Redis: a URL (`redis://`, `rediss://`, `unix://`), the options of ioredis, an ioredis
 * instance, or a function that makes one. An instance is a template: connections are duplicates of it, and it
 * is never closed. An instance that the function makes is closed as soon as it has been copied.
 */
export type RedisSourceInput = string | RedisOptions | Redis | Cluster | (() => Redis | Cluster);

const DEFAULT_URL = 'redis://127.0.0.1:6379';

/*
 * This package resends commands itself, because only a numbered batch can be sent twice without harm. ioredis
 * must queue nothing while it is offline, and must resend nothing. RESP2 gives replies one shape in ioredis 5
 * and 6.
 */
const OVERRIDES = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  // Some errors are answers, such as that of a script that Redis does not know yet. A function that answers
  // `true` would break the connection each time, and with 2 ioredis would send the command again.
  reconnectOnError: null,
  // A `Subscriber` subscribes itself: ioredis does not handle a refusal, and Node would end the process.
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  // This option would answer a read as if nothing had come, and drop the entries that come later.
  blockingTimeout: 0,
  stringNumbers: false,
  // While Redis loads, it says how long that takes, and ioredis believes up to 10 s of it. Other processes
  // are back before that (see Recoverer).
  maxLoadingRetryTime: 1_000,
  protocol: 2,
  replyMapping: 'legacy',
} as const;

/*
 * The user's options come before these. An attempt to connect that hangs ends soon, because workers have a
 * few seconds to come back before others take their messages (see Recoverer).
 */
const DEFAULTS = { retryStrategy: backOff, connectTimeout: 3_000 };

/** Makes the connections of one client or worker. */
export class RedisSource {
  readonly isCluster: boolean;
  /** The credentials with which all its connections log in. */
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

  /**
   * Makes a new client that is not connected yet.
   * @param commandTimeout ms after which a command without an answer fails
   */
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
      `redis must be a URL, ioredis options, a Redis or Cluster instance, or a function that makes one; got ${formatValue(template)}`,
    );
  }
}

type Overrides = ReturnType<typeof overridesFor>;

/**
 * The first answer on a connection may say why Redis refuses it. ioredis swallows that answer when it is for
 * its client info, which comes first where there is no AUTH, so the client info is off there. Behind an AUTH
 * it must be on: then a connection with a refused AUTH does not count as ready.
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
 * Makes the template. The instance of the function is only copied, so it is closed at once. An instance that
 * comes a second time is the application's own: the function did not make it.
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

/** Reads the login each time: an option may be a getter, and an instance may have another password now. */
function loginOf(template: Template): Login {
  if (typeof template === 'string') {
    const { username, password } = new URL(template);
    return { username: decodeURIComponent(username), password: decodeURIComponent(password) };
  }
  const { username, password } =
    (isCluster(template) ? template.options.redisOptions : optionsOf(template)) ?? {};
  return { username, password };
}

/** The pause before the next try of ioredis to connect. */
function backOff(attempt: number): number {
  return reconnectPause(attempt, 2_000);
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
    // Otherwise ioredis resends the commands that were on their way to a server that went away.
    retryDelayOnFailover: 0,
    redisOptions: { ...template.options.redisOptions, ...redisOverrides },
  });
}

/**
 * Whether the value is an ioredis instance. Its methods decide, not its class: it may come from another copy
 * of ioredis.
 */
function isRedis(value: unknown): value is Redis {
  return isObject(value) && typeof (value as { duplicate?: unknown }).duplicate === 'function';
}

function isCluster(value: unknown): value is Cluster {
  return isRedis(value) && value.isCluster;
}

function isObject(value: unknown): value is RedisOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
