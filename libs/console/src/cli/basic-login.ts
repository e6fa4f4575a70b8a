import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** Whether the request has the login. @param login `user:password` */
export function isUser(request: IncomingMessage, login: string): boolean {
  // Digests have one length, which timingSafeEqual needs.
  return timingSafeEqual(digestOf(loginOf(request) ?? ''), digestOf(login));
}

/** The name of the user who sends the request. */
export function userOf(request: IncomingMessage): string | undefined {
  return loginOf(request)?.split(':', 1)[0];
}

function loginOf({ headers }: IncomingMessage): string | undefined {
  const encoded = /^Basic ([\w+/=]+)$/i.exec(headers.authorization ?? '')?.[1];
  return encoded === undefined ? undefined : Buffer.from(encoded, 'base64').toString();
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
