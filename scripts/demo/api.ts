/** The parts of the API app's answers that the demo uses. */

export interface AuditReport {
  readonly requests: number;
  readonly replies: number;
  readonly failures: readonly { readonly path: string; readonly reason: string }[];
}

export interface CollectedFinding {
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  readonly licenceFile: string | null;
  readonly files: number;
  readonly bytes: number;
  readonly worker: string;
  readonly collected: number;
}

/** The HTTP status of an answer, and its error message if it has one. */
export interface Inspection {
  readonly status: number;
  readonly message?: string;
}

/** Requests over a queue have failed long before that: something hangs. */
const TIMEOUT_MS = 120_000;

export async function postAudit(apiUrl: string, share: number, shares: number): Promise<AuditReport> {
  const response = await call(`${apiUrl}/audits`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ share, shares }),
  });
  return (await okBody(response)) as AuditReport;
}

export async function getFindings(apiUrl: string): Promise<CollectedFinding[]> {
  return (await okBody(await call(`${apiUrl}/findings`))) as CollectedFinding[];
}

export interface Total {
  readonly packages: number;
  readonly bytes: number;
}

export async function getTotal(apiUrl: string): Promise<Total> {
  return (await okBody(await call(`${apiUrl}/totals`))) as Total;
}

export async function inspect(apiUrl: string, path: string): Promise<Inspection> {
  const response = await call(`${apiUrl}/packages/inspect?path=${encodeURIComponent(path)}`);
  return { ...((await response.json()) as { message?: string }), status: response.status };
}

async function call(url: string, init: RequestInit = {}): Promise<Response> {
  try {
    return await fetch(url, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw new Error(`No answer from ${url}.`, { cause: error });
  }
}

async function okBody(response: Response): Promise<unknown> {
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}: ${await response.text()}`);
  return response.json();
}
