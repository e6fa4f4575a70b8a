import type { IncomingMessage, ServerResponse } from 'node:http';
import { answerApi, checkAuthorized } from './api/api.js';
import type { ConsoleParts } from './api/call.js';
import { readAssets, type Asset } from './http/assets.js';
import { HttpError, statusOf } from './http/http-error.js';
import { sendJson, sendText, setHeaders } from './http/responses.js';
import { checkOptions, type ConsoleOptions } from './options.js';
import { ActionLog } from './queues/action-log.js';
import { AdminPool } from './queues/admin-pool.js';
import { QueueList } from './queues/queue-list.js';

/** A request that a framework has perhaps cut to what is below the path of the console. */
type MountedRequest = IncomingMessage & { readonly originalUrl?: string };

const API = '/api';

/**
 * The console in the browser: the page, and the API behind it. It connects to Redis with the first request;
 * call `close` in the end.
 */
export class ElkMqConsole {
  readonly #parts: ConsoleParts;
  readonly #assets: ReadonlyMap<string, Asset>;

  /** @throws {InvalidOptionError} also in production without `authorize` and `readOnly` */
  constructor(options: ConsoleOptions = {}) {
    checkOptions(options);
    this.#assets = readAssets();
    const [admins, list] = [new AdminPool(options), new QueueList(options)];
    this.#parts = { options, admins, list, log: new ActionLog() };
  }

  /**
   * Answers a request. It is a handler for `http.createServer`, and a middleware for Express and Fastify,
   * mounted at any path: `app.use('/elkmq', console.handle)`. Its `url` must begin below that path.
   */
  readonly handle = (request: IncomingMessage, response: ServerResponse): void => {
    void this.#answer(request, response);
  };

  /** Closes the connections to Redis. Requests that need Redis are answered with 503 from then on. */
  async close(): Promise<void> {
    await Promise.all([this.#parts.admins.closeAdmins(), this.#parts.list.closeList()]);
  }

  async #answer(request: MountedRequest, response: ServerResponse): Promise<void> {
    const { url = '/' } = request;
    const [path = '/'] = url.split('?', 1);
    const query = url.slice(path.length + 1);
    try {
      setHeaders(response);
      if (path.startsWith(`${API}/`))
        await answerApi(this.#parts, request, response, path.slice(API.length), new URLSearchParams(query));
      else await this.#sendAsset(request, response, path === '' ? '/' : path);
    } catch (error) {
      sendError(request, response, error, path);
    }
  }

  async #sendAsset(request: MountedRequest, response: ServerResponse, path: string): Promise<void> {
    if (request.method !== 'GET' && request.method !== 'HEAD')
      throw new HttpError(405, `The page is not for ${String(request.method)}.`);
    const asset = this.#assets.get(path);
    if (!asset) throw new HttpError(404, 'The console has no such page.');
    await checkAuthorized(this.#parts, request, { kind: 'view', queue: undefined });
    const folder = /\/([^/?]+)(?:\?.*)?$/.exec(request.originalUrl ?? '/')?.[1];
    if (path === '/' && folder !== undefined) {
      // The addresses in the page are relative, so that it works below any path and behind any proxy.
      response.writeHead(302, { Location: `./${folder}/` }).end();
      return;
    }
    response.setHeader('Content-Type', asset.type);
    response.setHeader('Content-Length', asset.body.length);
    response.writeHead(200).end(request.method === 'HEAD' ? undefined : asset.body);
  }
}

function sendError(request: IncomingMessage, response: ServerResponse, error: unknown, path: string): void {
  if (response.headersSent) {
    // The page sees that the search has ended early.
    response.destroy();
    return;
  }
  const status = statusOf(error);
  const isForeseen = status !== 500 && error instanceof Error;
  // The error of a function of the application can hold what a user must not see.
  if (!isForeseen) process.emitWarning(`ElkMqConsole: ${String(error)}`);
  const message = isForeseen ? error.message : 'The console has failed. The log of its process says why.';
  if (path.startsWith(`${API}/`)) sendJson(request, response, { error: message }, status);
  else sendText(response, status, message);
}
