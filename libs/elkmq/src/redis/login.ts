import type { Cluster, Redis } from 'ioredis';
import type { ConnectionError } from '../model/errors.js';
import type { Credentials, CredentialsUser, Login } from './credentials.js';
import { isLoginRefused } from './redis-errors.js';
import { send } from './scripts.js';

/**
 * Keeps one client of ioredis logged in with the newest credentials. The client connects when there are some.
 *
 * A connection that stands gets them by AUTH, behind the commands on their way; a blocking read delays that
 * until its end. A connection that subscribes is made anew. A later connection finds them in its options,
 * because ioredis reads those whenever it connects.
 */
export class ConnectionLogin implements CredentialsUser {
  readonly #client: Redis | Cluster;
  readonly #credentials: Credentials;
  readonly #onError: (error: Error) => void;
  #login: Login | undefined;
  #hasBegun = false;

  /**
   * @param onError is called when the function of the credentials has failed, and when Redis refuses a login
   */
  constructor(client: Redis | Cluster, credentials: Credentials, onError: (error: Error) => void) {
    this.#client = client;
    this.#credentials = credentials;
    this.#onError = onError;
    client.on('ready', () => {
      credentials.accepted();
    });
    if (client.isCluster) {
      // The event comes before the connection to that server is made.
      client.on('+node', (node: Redis) => {
        if (this.#login) Object.assign(node.options, this.#login);
      });
      client.on('node error', (error: Error) => {
        if (isLoginRefused(error)) onError(error);
      });
    }
    credentials.add(this);
  }

  logIn(login: Login | undefined): void {
    if (login !== this.#login) {
      this.#login = login;
      for (const node of nodesOf(this.#client)) this.#renew(node, login as Login);
    }
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    // A failure to connect is reported by the 'error' event, and tried again.
    this.#client.connect().catch(() => undefined);
  }

  credentialsFailed(error: ConnectionError): void {
    this.#onError(error);
  }

  /**
   * Redis has refused the login of this client.
   * @returns whether new credentials are asked for, which is expected to help
   */
  isRefusalExpected(refusal: Error): boolean {
    return this.#credentials.refused(passwordOf(refusal) ?? this.#login?.password);
  }

  /** Ends the login when the connection is not needed any more. */
  end(): void {
    this.#credentials.remove(this);
    // Credentials that come later do not make it connect.
    this.#hasBegun = true;
  }

  #renew(node: Redis, login: Login): void {
    Object.assign(node.options, login);
    if (node.status === 'ready') void this.#authenticate(node, login);
    else if (node.status === 'connecting' || node.status === 'connect') {
      // The login may have begun with the credentials before.
      node.once('ready', () => {
        if (login === this.#login) void this.#authenticate(node, login);
      });
    }
  }

  async #authenticate(node: Redis, login: Login): Promise<void> {
    const { username, password } = login;
    if (password === undefined) return;
    // Redis takes no AUTH while it subscribes. It loses nothing: its user reads what it may have missed.
    if (node.mode === 'subscriber') {
      node.disconnect(true);
      return;
    }
    try {
      await send(node, 'auth', username === undefined ? [password] : [username, password]);
      this.#credentials.accepted();
    } catch (error) {
      // Any other error means that the connection broke. The next one begins with the newest credentials.
      if (isLoginRefused(error)) this.#onError(error);
    }
  }
}

/** The password of a refused AUTH. */
function passwordOf(refusal: Error): string | undefined {
  const { command } = refusal as { command?: { name?: string; args?: unknown[] } };
  return command?.name === 'auth' ? String(command.args?.at(-1)) : undefined;
}

function nodesOf(client: Redis | Cluster): Redis[] {
  return 'nodes' in client ? client.nodes('all') : [client];
}
