import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The requests that get lost: so many of those that match, or every `each`th. */
interface Loss {
  readonly matches: RegExp;
  readonly what: 'request' | 'half a request' | 'answer';
  readonly each: number;
  left: number;
  seen: number;
}

/** Other answers may come in the same packet. */
const ONLY_MISSING_SCRIPT = /^-NOSCRIPT[^\r]*\r\n$/;

interface Pair {
  readonly client: Socket;
  readonly redis: Socket;
  /** The latest request. */
  latest: string;
  /** Passes nothing on any more, and does not say so. */
  silent: boolean;
  /** The delay of its answers, ms. */
  delay: number;
  /** The next answer, unless Redis only asks for the text of a script, cuts the connection instead. */
  doomed: boolean;
}

/** A network between a client and Redis that fails on demand. */
export class Proxy {
  /** The delay of the answers of Redis, ms. */
  delay = 0;
  /** Requests or answers that were lost on demand. */
  lost = 0;
  /** Packets that came from clients: they grow while a client tries again and again. */
  requests = 0;
  readonly #redisUrl: string;
  #redisPort: number;
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #loss: Loss | undefined;
  #swallows = false;

  private constructor(redisUrl: string) {
    this.#redisUrl = redisUrl;
    this.#redisPort = Number(new URL(redisUrl).port);
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client));
  }

  /** @param redisUrl of the server behind it */
  static async before(redisUrl: string): Promise<Proxy> {
    const proxy = new Proxy(redisUrl);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    const url = new URL(this.#redisUrl);
    url.port = String((this.#server.address() as AddressInfo).port);
    return url.href;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** Redis carries out a request that matches, then the connection breaks before the answer has come. */
  loseAnswers(matches: RegExp, times = 1, each = 1): void {
    this.#loss = { matches, what: 'answer', each, left: times, seen: 0 };
  }

  /** The connection breaks before a request that matches has come to Redis. */
  loseRequests(matches: RegExp, times = 1, each = 1): void {
    this.#loss = { matches, what: 'request', each, left: times, seen: 0 };
  }

  /** The connection breaks when Redis has got the first half of a request that matches. */
  truncateRequests(matches: RegExp, times = 1, each = 1): void {
    this.#loss = { matches, what: 'half a request', each, left: times, seen: 0 };
  }

  /** New connections lead to another server. */
  leadTo(redisUrl: string): void {
    this.#redisPort = Number(new URL(redisUrl).port);
  }

  /** Breaks every connection. New ones are accepted. */
  cut(): void {
    for (const pair of this.#pairs) {
      pair.silent = false;
      end(pair);
    }
  }

  /**
   * Connections stay open on both sides, but nothing comes through any more. New ones are as usual.
   * @param matches those whose latest request matches; default: every one
   */
  silence(matches = /^/): void {
    for (const pair of this.#pairs) pair.silent ||= matches.test(pair.latest);
  }

  /** As `silence`, and new connections are open and silent too, until `pass`. */
  swallow(): void {
    this.#swallows = true;
    this.silence();
  }

  /** New connections are as usual again. Those that are silent stay so. */
  pass(): void {
    this.#swallows = false;
  }

  /** Delays what Redis sends on connections whose latest request matches, by so many ms more. */
  delayAnswers(matches: RegExp, delay: number): void {
    for (const pair of this.#pairs) if (matches.test(pair.latest)) pair.delay = delay;
  }

  /** Connections whose latest request matches break on the side of the client; Redis does not notice. */
  abandon(matches: RegExp): void {
    for (const pair of this.#pairs) {
      if (!matches.test(pair.latest)) continue;
      pair.silent = true;
      pair.client.destroy();
    }
  }

  /** Returns the number of connections that are not silent and whose latest request matches. */
  latest(matches: RegExp): number {
    return [...this.#pairs].filter(({ latest, silent }) => !silent && matches.test(latest)).length;
  }

  async close(): Promise<void> {
    this.#server.close();
    this.cut();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    const redis = connect(this.#redisPort, '127.0.0.1').setNoDelay();
    const pair: Pair = { client, redis, latest: '', silent: this.#swallows, delay: 0, doomed: false };
    this.#pairs.add(pair);
    client.on('data', (data) => this.#request(pair, data));
    let answered = Promise.resolve();
    redis.on('data', (data) => {
      const due = performance.now() + this.delay + pair.delay;
      answered = answered.then(() => this.#answer(pair, data, due));
    });
    for (const socket of [client, redis]) {
      socket.on('error', () => end(pair));
      socket.on('close', () => {
        if (pair.silent) return;
        end(pair);
        this.#pairs.delete(pair);
      });
    }
    client.on('end', () => !pair.silent && redis.end());
    redis.on('end', () => !pair.silent && client.end());
  }

  #request(pair: Pair, data: Buffer): void {
    if (pair.silent) return;
    this.requests++;
    pair.latest = data.toString('latin1');
    const what = this.#loses(pair.latest);
    if (what === 'request' || what === 'half a request') {
      this.lost++;
      if (what === 'half a request') pair.redis.end(data.subarray(0, data.length / 2));
      else pair.redis.destroy();
      pair.client.destroy();
      return;
    }
    if (what === 'answer') pair.doomed = true;
    pair.redis.write(data);
  }

  async #answer(pair: Pair, data: Buffer, due: number): Promise<void> {
    const delay = due - performance.now();
    if (delay > 0) await sleep(delay);
    if (pair.silent) return;
    if (pair.doomed && !ONLY_MISSING_SCRIPT.test(data.toString('latin1'))) {
      this.lost++;
      end(pair);
    } else pair.client.write(data);
  }

  #loses(request: string): Loss['what'] | undefined {
    const loss = this.#loss;
    if (!loss || loss.left === 0 || !loss.matches.test(request)) return undefined;
    if (loss.seen++ % loss.each > 0) return undefined;
    loss.left--;
    return loss.what;
  }
}

function end({ client, redis }: Pair): void {
  client.destroy();
  redis.destroy();
}
