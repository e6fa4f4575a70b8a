import type { ChangeAnswer, SearchLine } from './types.js';

/** A call that the server has refused, with a message for the user. */
export class RefusedError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The answer to a poll: `undefined` when nothing has changed. */
export interface Answer {
  readonly value: unknown;
  readonly etag: string | null;
}

/**
 * Reads a value.
 * @param path below the API, with its query
 * @param etag of the value that is known already
 * @returns `undefined` when the value is still the same
 * @throws an error with a message for the user
 */
export async function readValue(
  path: string,
  etag?: string | null,
  signal?: AbortSignal,
): Promise<Answer | undefined> {
  const response = await call(path, {
    headers: etag ? { 'If-None-Match': etag } : {},
    ...(signal && { signal }),
  });
  if (response.status === 304) return undefined;
  return { value: await response.json(), etag: response.headers.get('ETag') };
}

/** Asks for a change. */
export async function postChange(path: string, body: object): Promise<ChangeAnswer> {
  const headers = { 'Content-Type': 'application/json', 'X-ElkMQ-Console': '1' };
  const response = await call(path, { method: 'POST', headers, body: JSON.stringify(body) });
  return (await response.json()) as ChangeAnswer;
}

/** Reads the lines of a search as they come. */
export async function* readSearch(query: string, signal: AbortSignal): AsyncGenerator<SearchLine> {
  const { body } = await call(`search?${query}`, { signal });
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield JSON.parse(line) as SearchLine;
  }
}

async function call(path: string, options: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(`api/${path}`, { cache: 'no-store', ...options });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Error('The console does not answer. Is its process running, and the network up?', {
      cause: error,
    });
  }
  if (response.ok || response.status === 304) return response;
  throw new RefusedError(response.status, await reasonOf(response));
}

async function reasonOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return String((JSON.parse(text) as { error: unknown }).error);
  } catch {
    return `The server has answered ${String(response.status)}. ${text.slice(0, 200)}`;
  }
}
