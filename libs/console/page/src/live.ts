import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { readValue, RefusedError } from './api.js';

const POLL_PAUSE_MS = 2_000;

/** Whether the page stands still. */
export const isPaused = signal(false);
/** The time now. It moves with each poll, so that ages grow. */
export const now = signal(Date.now());
/** Counts the changes that this page has made: each one has all views read again at once. */
const changes = signal(0);

/** Stops the page, or lets it go on. */
export function togglePause(): void {
  isPaused.value = !isPaused.value;
  if (!isPaused.value) refreshViews();
}

/** Has all views read again. */
export function refreshViews(): void {
  changes.value++;
}

/** A value of the server that is read again and again. */
export interface Live<T> {
  readonly data: T | undefined;
  /**
   * The reason why the last read failed. `data` is then what was known before, unless it is not there any
   * more.
   */
  readonly error: string | undefined;
}

/**
 * Reads a value every two seconds, unless the page is paused or hidden.
 * @param path below the API
 */
export function useLive<T>(path: string): Live<T> {
  const [live, setLive] = useState<Live<T> & { path: string }>({ path, data: undefined, error: undefined });
  const change = changes.value;
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    let etag: string | null | undefined;
    const poll = async (): Promise<void> => {
      try {
        const answer = document.hidden && etag ? undefined : await readValue(path, etag, stop.signal);
        if (answer) {
          etag = answer.etag;
          setLive({ path, data: answer.value as T, error: undefined });
        } else setLive((last) => (last.error === undefined ? last : { ...last, error: undefined }));
      } catch (error) {
        if (stop.signal.aborted) return;
        etag = undefined;
        const message = error instanceof Error ? error.message : String(error);
        const isGone = error instanceof RefusedError && error.status === 404;
        setLive((last) => {
          const data = last.path === path && !isGone ? last.data : undefined;
          return { path, data, error: message };
        });
      }
      now.value = Date.now();
      if (stop.signal.aborted) return;
      timer = setTimeout(() => {
        if (!isPaused.peek()) void poll();
      }, POLL_PAUSE_MS);
    };
    void poll();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [path, change]);
  // The value of another path is not shown, not even for a moment.
  return live.path === path ? live : { data: undefined, error: undefined };
}
