import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error.js';

/** The largest body of a request, bytes. */
const MAX_BODY_BYTES = 256 * 1024;

/** A request whose body a parser of the application may have read already. */
type ParsedRequest = IncomingMessage & { readonly body?: unknown };

/**
 * Reads the body of a request: one JSON object.
 * @throws {HttpError}
 */
export async function readBody(request: ParsedRequest): Promise<Record<string, unknown>> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/json\b/.test(type)) throw new HttpError(415, 'The body must be application/json.');
  // Express parses the body before; its value is undefined when nothing has done so.
  const parsed = request.body ?? parseJson(await readText(request));
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new HttpError(400, 'The body must be a JSON object.');
  return parsed as Record<string, unknown>;
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES)
      throw new HttpError(413, `The body is larger than ${String(MAX_BODY_BYTES)} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, 'The body must be JSON.');
  }
}
