import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ElkMqConsole, type ConsoleOptions } from 'elkmq-console';
import { onTestFinished } from 'vitest';
import { url } from './queue.js';

/** An answer of a console. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body, when it is JSON. */
  readonly json: Record<string, unknown>;
}

/** What a request to a console has beside its address. */
export interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

/** A console that listens until the test is over. @returns its address, which ends with a slash */
export async function startConsole(options: ConsoleOptions = {}): Promise<string> {
  return (await startClosableConsole(options)).address;
}

/** As `startConsole`. @returns also the console itself */
export async function startClosableConsole(
  options: ConsoleOptions = {},
): Promise<{ address: string; console: ElkMqConsole }> {
  const console = new ElkMqConsole({ redis: url, ...options });
  const server = createServer(console.handle).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    server.close();
    await console.close();
  });
  return { address: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/`, console };
}

/** Asks as a program does. Neither fetch nor a browser adds a header. */
export async function ask(
  address: string,
  { method = 'GET', headers = {}, body }: Ask = {},
): Promise<Answer> {
  const response = await fetch(address, {
    method,
    redirect: 'manual',
    headers: { ...(body !== undefined && { 'Content-Type': 'application/json' }), ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = (response.headers.get('content-type') ?? '').startsWith('application/json');
  const json = isJson ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, headers: response.headers, text, json };
}

/** Asks for a change as the page does. */
export function change(
  address: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return ask(address, { method: 'POST', body, headers: { 'X-ElkMQ-Console': '1', ...headers } });
}
