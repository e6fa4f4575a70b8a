/**
 * Whether a browser that sends this Host header was told to go to this machine itself. A page of another site
 * can let its own name lead to 127.0.0.1, and is then of the same origin for the browser.
 */
export function isLocalHost(host: string | undefined): boolean {
  return /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i.test(host ?? '');
}
