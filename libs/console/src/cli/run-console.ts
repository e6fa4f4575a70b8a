import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InvalidOptionError } from 'elkmq';
import { ElkMqConsole } from '../console.js';
import { setHeaders, sendText } from '../http/responses.js';
import { HELP, parseArguments, UsageError, type ConsoleArguments } from './arguments.js';
import { isUser, userOf } from './basic-login.js';
import { isLocalHost } from './local-host.js';

/**
 * Runs the console until a signal ends it.
 * @returns the exit code: 0 when a signal ended it, 2 when the command was not understood, 3 when the port
 * cannot be had
 */
export async function runConsole(args: readonly string[]): Promise<number> {
  try {
    const options = parseArguments(args);
    if (options === 'help') {
      process.stdout.write(HELP);
      return 0;
    }
    return await serve(options);
  } catch (error) {
    process.stderr.write(`elkmq-console: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof UsageError || error instanceof InvalidOptionError ? 2 : 3;
  }
}

async function serve(options: ConsoleArguments): Promise<number> {
  const console = new ElkMqConsole({
    redis: options.redis,
    queues: options.queues,
    readOnly: options.isReadOnly,
    // The server below has asked for the password.
    authorize: () => true,
    identify: userOf,
  });
  const server = createServer((request, response) => {
    if (isAllowed(options, request, response)) console.handle(request, response);
  });
  server.listen(options.port, options.host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = options.host.includes(':') ? `[${options.host}]` : options.host;
  process.stdout.write(`The console is at http://${host}:${String(port)}/\n`);
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
  server.close();
  server.closeAllConnections();
  await console.close();
  return 0;
}

/** Refuses who does not know the password, and names that lead to this machine from elsewhere. */
function isAllowed(
  { user, isLoopback }: ConsoleArguments,
  request: IncomingMessage,
  response: ServerResponse,
): boolean {
  if (isLoopback && !isLocalHost(request.headers.host)) {
    setHeaders(response);
    sendText(response, 421, 'This console answers to localhost, 127.0.0.1 and [::1] only.\n');
    return false;
  }
  if (user === undefined || isUser(request, user)) return true;
  setHeaders(response);
  response.setHeader('WWW-Authenticate', 'Basic realm="elkmq-console", charset="UTF-8"');
  sendText(response, 401, 'The console needs the user and the password of --user.\n');
  return false;
}
