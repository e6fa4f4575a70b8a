import { signal } from '@preact/signals';
import type { ComponentChildren, VNode } from 'preact';

const notice = signal<{ text: string; isError: boolean } | undefined>(undefined);

/** Tells the user what has happened. A screen reader reads it. */
export function announce(text: string, isError = false): void {
  notice.value = { text, isError };
}

export function dismissNotice(): void {
  notice.value = undefined;
}

/** The place where notices appear. */
export function NoticeBar(): VNode {
  const shown = notice.value;
  return (
    <div role="status" aria-live="polite" class="notices">
      {shown && (
        <p class={shown.isError ? 'notice bad' : 'notice good'}>
          <span>{shown.text}</span>
          <button type="button" class="plain" onClick={dismissNotice}>
            Dismiss
          </button>
        </p>
      )}
    </div>
  );
}

/** An empty view, and what to do about it. */
export function Empty({ title, children }: { title: string; children: ComponentChildren }): VNode {
  return (
    <div class="empty">
      <h2>{title}</h2>
      <p>{children}</p>
    </div>
  );
}

/** The reason why a view could not be read. */
export function Failure({ error }: { error: string | undefined }): VNode | null {
  if (error === undefined) return null;
  return (
    <p class="notice bad" role="alert">
      {error} The page tries again every two seconds.
    </p>
  );
}
