import type { IncomingMessage } from 'node:http';
import { HttpError } from './http-error.js';

/** The header that a page of another site cannot send: the browser would ask the server first. */
const OWN_HEADER = 'x-elkmq-console';

/**
 * Refuses a call of the API that a page of another site has made in the browser of a user. `Sec-Fetch-Site`
 * decides. Browsers send it over https and to localhost only; otherwise `Origin` decides.
 * @throws {HttpError}
 */
export function checkSameOrigin(request: IncomingMessage): void {
  const { origin, host, 'sec-fetch-site': site } = request.headers;
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (site !== undefined) {
    // `none`: the user has typed the address.
    if (site !== 'same-origin' && !(site === 'none' && isRead)) throw crossSite();
  } else if (origin !== undefined && hostOf(origin) !== host) throw crossSite();
  if (!isRead && request.headers[OWN_HEADER] === undefined)
    throw new HttpError(
      403,
      `A change needs the header ${OWN_HEADER}, which pages of other sites cannot send.`,
    );
}

function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined;
}

function crossSite(): HttpError {
  return new HttpError(403, 'The request comes from a page of another site.');
}
