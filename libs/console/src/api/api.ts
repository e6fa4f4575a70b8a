import type { IncomingMessage, ServerResponse } from 'node:http';
import { HttpError } from '../http/http-error.js';
import { readBody } from '../http/request-body.js';
import { sendJson } from '../http/responses.js';
import { checkSameOrigin } from '../http/same-origin.js';
import type { ConsoleAction } from '../options.js';
import type { ConsoleParts, Route } from './call.js';
import { CHANGE_ROUTES } from './change-routes.js';
import { READ_ROUTES } from './read-routes.js';
import { SEARCH_ROUTE } from './search-route.js';

/** All routes of the API. Each is checked in the same way, here. */
export const ROUTES: readonly Route[] = [...READ_ROUTES, SEARCH_ROUTE, ...CHANGE_ROUTES];

/**
 * Answers a call of the API.
 * @param path below `/api`
 * @throws {HttpError} when it is refused
 */
export async function answerApi(
  parts: ConsoleParts,
  request: IncomingMessage,
  response: ServerResponse,
  path: string,
  query: URLSearchParams,
): Promise<void> {
  const { options } = parts;
  const routes = ROUTES.filter((route) => route.path === path);
  if (routes.length === 0) throw new HttpError(404, `The console has no ${path}.`);
  const route = routes.find(({ method }) => method === request.method);
  if (!route) throw new HttpError(405, `${path} is not for ${String(request.method)}.`);
  checkSameOrigin(request);
  if (options.readOnly && route.kind !== 'view')
    throw new HttpError(403, 'This console is read-only: nobody may change anything.');
  const parameters = route.method === 'GET' ? Object.fromEntries(query) : await readBody(request);
  const queue = route.hasQueue ? queueOf(parts, parameters['queue']) : undefined;
  await checkAuthorized(parts, request, { kind: route.kind, queue });
  const value = await route.handle({
    ...parts,
    request,
    response,
    parameters,
    queue: queue ?? '',
    mayView: async (name) => isAuthorized(parts, request, { kind: 'view', queue: name }),
    checkOtherQueue: async (name) => {
      const other = queueOf(parts, name);
      await checkAuthorized(parts, request, { kind: route.kind, queue: other });
      return other;
    },
  });
  if (value !== undefined) sendJson(request, response, value);
}

/** @throws {HttpError} */
export async function checkAuthorized(
  parts: ConsoleParts,
  request: IncomingMessage,
  action: ConsoleAction,
): Promise<void> {
  if (!(await isAuthorized(parts, request, action)))
    throw new HttpError(403, `You may not do that (${action.kind}). Ask who runs this console.`);
}

async function isAuthorized(
  { options }: ConsoleParts,
  request: IncomingMessage,
  action: ConsoleAction,
): Promise<boolean> {
  if (!options.authorize) return true;
  const answer: unknown = await options.authorize(request, action);
  // Only `true` is a yes: a function that forgets to answer lets nobody in.
  return answer === true;
}

function queueOf({ options }: ConsoleParts, name: unknown): string {
  if (typeof name !== 'string' || name === '')
    throw new HttpError(400, 'The call needs the name of a queue.');
  if (options.queues && !options.queues.includes(name))
    throw new HttpError(404, `The console does not show a queue ${JSON.stringify(name)}.`);
  return name;
}
