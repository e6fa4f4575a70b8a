import { ConnectionError, InvalidOptionError } from '../model/errors.js';
import { LONGEST_TIMER_MS, formatValue } from '../model/options.js';

/** The credentials of a client, a server or a queue that are valid now. */
export interface ElkMqCredentials {
  /** The ACL user. Default: the user that `url` or `redis` names, else Redis's `default` user. */
  username?: string;
  /** The password or token. */
  password: string;
  /**
   * The time until which they are valid. The function is called again before that. Default: until Redis
   * refuses them.
   */
  expiresAt?: Date;
}

/** Fetches the credentials that are valid now. A call that takes longer than 10 s counts as failed. */
export type CredentialsFunction = () => Promise<ElkMqCredentials>;

/** The user and password with which a connection logs in. */
export interface Login {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** A connection that logs in with the newest credentials. */
export interface CredentialsUser {
  /** Is called when there are credentials for the first time, and whenever new ones may have come. */
  logIn(login: Login | undefined): void;
  /** Is called when the function has failed. The function is called again later. */
  credentialsFailed(error: ConnectionError): void;
}

interface Answer extends Login {
  readonly expiresAt?: Date | undefined;
}

/** The time that the function may take, ms. */
const TIMEOUT_MS = 10_000;
/**
 * Credentials are renewed when this share of their time is left, or this many ms, whichever is less. A random
 * factor from 1 to 2 lengthens that margin.
 */
const LATEST_SHARE_LEFT = 0.1;
const LATEST_MARGIN_MS = 300_000;
/** The shortest time until a renewal, ms. A wrong clock must not cause a loop. */
const SHORTEST_VALIDITY_MS = 1_000;
/** The pause after a failure doubles from the first to the longest. */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;

/**
 * The credentials that all connections of one client, server or queue share. The function is called before
 * the first connection, before the credentials expire, and when Redis refuses them. Nothing is called while
 * there is no connection.
 */
export class Credentials {
  readonly #ask: (() => Promise<Answer>) | undefined;
  readonly #timeoutMs: number;
  readonly #users = new Set<CredentialsUser>();
  #isKnown: boolean;
  /**
   * The newest credentials, and those for a login. The latter are `undefined` while the connections have them
   * anyway.
   */
  #newest: Login | undefined;
  #login: Login | undefined;
  #expiresAt = Infinity;
  #renewAt = Infinity;
  #isAsking = false;
  #timer: NodeJS.Timeout | undefined;
  /** Whether the timer runs because something has failed, and not because of the time. */
  #isPausing = false;
  /** The latest failure of the function, and the number of failures in a row. */
  #failure: ConnectionError | undefined;
  #failures = 0;
  /** The number of times in a row that Redis has refused the newest credentials. */
  #refusals = 0;

  private constructor(ask: (() => Promise<Answer>) | undefined, isKnown: boolean, timeoutMs = TIMEOUT_MS) {
    this.#ask = ask;
    this.#isKnown = isKnown;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * @param provider the option `credentials`
   * @param configuredUser the user when the provider names none
   * @param timeoutMs time that one call of the provider may take
   * @throws {InvalidOptionError}
   */
  static fromFunction(provider: unknown, configuredUser?: string, timeoutMs?: number): Credentials {
    if (typeof provider !== 'function') {
      throw new InvalidOptionError(`credentials must be a function, got ${formatValue(provider)}`);
    }
    const ask = async (): Promise<Answer> => {
      const answer = checkAnswer(await (provider as () => unknown)());
      return { ...answer, username: answer.username ?? (configuredUser || undefined) };
    };
    return new Credentials(ask, false, timeoutMs);
  }

  /**
   * The credentials that connections have from `url` or `redis`.
   * @param read looks there again when Redis has refused them
   */
  static ofSource(read?: () => Login): Credentials {
    if (!read) return new Credentials(undefined, true);
    const credentials = new Credentials(() => Promise.resolve().then(read), true);
    credentials.#newest = read();
    return credentials;
  }

  /** The reason why there are no credentials yet; `undefined` when there are. */
  get missing(): string | undefined {
    if (this.#isKnown) return undefined;
    return this.#failure?.message ?? 'the function credentials has not answered yet';
  }

  /** Gives `user` the newest credentials from now on, as soon as there are any. */
  add(user: CredentialsUser): void {
    this.#users.add(user);
    if (this.#failure) user.credentialsFailed(this.#failure);
    if (this.#isKnown && Date.now() < this.#expiresAt) {
      user.logIn(this.#login);
      if (!this.#timer && !this.#isAsking) this.#askAtRenewal();
    } else if (!this.#isPausing) void this.#askNow();
  }

  remove(user: CredentialsUser): void {
    this.#users.delete(user);
    if (this.#users.size === 0) this.#stopTimer();
  }

  /** Redis has accepted a login. */
  accepted(): void {
    this.#refusals = 0;
  }

  /**
   * Redis has refused `password`. New credentials are asked for, at once and then with pauses.
   * @returns whether that is expected to help; then nobody need be notified yet
   */
  refused(password: string | undefined): boolean {
    if (!this.#ask) return false;
    // The password may have been on its way when a newer one came.
    if (password !== this.#newest?.password || this.#isAsking) return true;
    if (this.#isPausing) return false;
    this.#refusals++;
    if (this.#refusals === 1) void this.#askNow();
    else this.#askAfterPause(this.#refusals - 1);
    return this.#refusals === 1;
  }

  async #askNow(): Promise<void> {
    if (this.#isAsking || !this.#ask) return;
    this.#isAsking = true;
    this.#stopTimer();
    try {
      const answer = await inTime(this.#ask(), this.#timeoutMs);
      this.#isAsking = false;
      this.#failures = 0;
      this.#failure = undefined;
      this.#take(answer);
    } catch (error) {
      this.#isAsking = false;
      this.#failed(error);
    }
  }

  #take({ username, password, expiresAt }: Answer): void {
    const now = Date.now();
    const left = expiresAt ? expiresAt.getTime() - now : Infinity;
    // The margin is random. So a fleet that has started together does not ask together.
    const margin = Math.min(left * LATEST_SHARE_LEFT, LATEST_MARGIN_MS) * (1 + Math.random());
    this.#expiresAt = now + left;
    this.#renewAt = now + Math.max(left - margin, SHORTEST_VALIDITY_MS);
    this.#askAtRenewal();
    const isSame = username === this.#newest?.username && password === this.#newest?.password;
    if (!isSame) this.#newest = this.#login = { username, password };
    this.#isKnown = true;
    for (const user of this.#users) user.logIn(this.#login);
  }

  #failed(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.#failure = new ConnectionError(`the function credentials failed: ${why}`, { cause: error });
    this.#askAfterPause(++this.#failures);
    if (this.#failures > 1) return;
    for (const user of this.#users) user.credentialsFailed(this.#failure);
  }

  #askAtRenewal(): void {
    if (this.#renewAt < Infinity) this.#askIn(this.#renewAt - Date.now(), false);
  }

  #askAfterPause(failures: number): void {
    const full = Math.min(FIRST_PAUSE_MS * 2 ** (failures - 1), LONGEST_PAUSE_MS);
    this.#askIn((full * (1 + Math.random())) / 2, true);
  }

  #askIn(delayMs: number, isPausing: boolean): void {
    this.#stopTimer();
    if (this.#users.size === 0) return;
    this.#isPausing = isPausing;
    this.#timer = setTimeout(() => void this.#askNow(), Math.min(Math.max(delayMs, 0), LONGEST_TIMER_MS));
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isPausing = false;
  }
}

/** Checks an answer of the function. The error never shows a password. */
function checkAnswer(given: unknown): Answer {
  const accepted = 'it must resolve to { username?, password, expiresAt? }';
  if (typeof given !== 'object' || given === null)
    throw new TypeError(`${accepted}, got ${formatValue(given)}`);
  const { username, password, expiresAt } = given as Record<string, unknown>;
  if (typeof password !== 'string' || password === '') {
    throw new TypeError(
      `${accepted} with a password that is a string, got ${password === '' ? 'an empty one' : formatValue(password)}`,
    );
  }
  if (username !== undefined && typeof username !== 'string') {
    throw new TypeError(`${accepted} with a username that is a string, got ${formatValue(username)}`);
  }
  if (expiresAt !== undefined && !(expiresAt instanceof Date && Number.isFinite(expiresAt.getTime()))) {
    throw new TypeError(`${accepted} with an expiresAt that is a valid Date, got ${formatValue(expiresAt)}`);
  }
  return { username, password, expiresAt };
}

async function inTime<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`it has not answered within ${String(timeoutMs)} ms`));
    }, timeoutMs).unref();
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
