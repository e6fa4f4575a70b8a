import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ElkMqCredentials } from 'nestjs-elkmq';
import { asAdmin } from '../../scripts/redis-cluster.js';
import type { Servers } from './redis-kinds.js';

export const USER = 'app';
/** For how long two passwords are valid when the new one was announced, ms. */
const OVERLAP_MS = 1_000;

/** Gives the user of all servers one password after the other; the old one is removed, and its connections are cut. */
export class Rotation {
  /** Those that clients have got. */
  readonly passwords = new Set<string>();
  /** How often clients have asked, and how many of those calls have failed. */
  asked = 0;
  failed = 0;
  readonly #servers: Servers;
  #password = newPassword();
  #expiresAt: Date | undefined;

  private constructor(servers: Servers) {
    this.#servers = servers;
  }

  static async begin(servers: Servers): Promise<Rotation> {
    const rotation = new Rotation(servers);
    await rotation.#setUser('on', `>${rotation.#password}`, '~*', '+@all');
    return rotation;
  }

  /** The option `credentials` of a client. Every fifth call fails. */
  readonly credentials = (): Promise<ElkMqCredentials> => {
    this.asked++;
    if (this.asked % 5 === 0) {
      this.failed++;
      return Promise.reject(new Error('the vault is sealed'));
    }
    this.passwords.add(this.#password);
    const expiry = this.#expiresAt && { expiresAt: this.#expiresAt };
    return Promise.resolve({ username: USER, password: this.#password, ...expiry });
  };

  /**
   * The next password.
   * @param pauseMs until the next rotation; every second password tells by `expiresAt` when it ends, and the one after it
   *   is valid for a moment before that. The others end without notice.
   */
  async next(pauseMs: number): Promise<void> {
    const old = this.#password;
    const isAnnounced = this.#expiresAt !== undefined;
    this.#password = newPassword();
    this.#expiresAt = isAnnounced ? undefined : new Date(Date.now() + pauseMs + OVERLAP_MS);
    if (isAnnounced) {
      await this.#setUser(`>${this.#password}`);
      await sleep(OVERLAP_MS);
      await this.#setUser(`<${old}`);
    } else await this.#setUser('resetpass', `>${this.#password}`);
    await this.#onEach(['CLIENT', 'KILL', 'USER', USER]);
  }

  async #setUser(...rules: string[]): Promise<void> {
    await this.#onEach(['ACL', 'SETUSER', USER, ...rules]);
  }

  async #onEach([command = '', ...args]: string[]): Promise<void> {
    await Promise.all(
      this.#servers.nodes.map((node) => asAdmin(node, (admin) => admin.call(command, ...args))),
    );
  }
}

function newPassword(): string {
  return randomBytes(16).toString('base64url');
}
