import { signal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface Question {
  readonly title: string;
  readonly text: string;
  /** The text of the button that says yes. */
  readonly verb: string;
  readonly isDangerous: boolean;
  /** The label of a field for text, if the question has one. */
  readonly label?: string;
  /** @param text of the field; `undefined` for no */
  answer(text: string | undefined): void;
}

const question = signal<Question | undefined>(undefined);

/** Asks the user before something is changed. */
export async function ask(title: string, text: string, verb: string, isDangerous: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const answer = (given: string | undefined): void => resolve(given !== undefined);
    question.value = { title, text, verb, isDangerous, answer };
  });
}

/**
 * Asks the user for a text before something is changed.
 * @returns `undefined` for no
 */
export async function askForText(
  title: string,
  text: string,
  verb: string,
  label: string,
): Promise<string | undefined> {
  return new Promise((answer) => {
    question.value = { title, text, verb, isDangerous: false, label, answer };
  });
}

/** The dialog in which questions appear. The browser keeps the focus in it, and Escape says no. */
export function QuestionDialog(): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const asked = question.value;
  useEffect(() => {
    if (asked) dialog.current?.showModal();
  }, [asked]);
  const end = (text: string | undefined): void => {
    dialog.current?.close();
    asked?.answer(text);
    question.value = undefined;
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    const text = new FormData(event.currentTarget as HTMLFormElement).get('text');
    end(typeof text === 'string' ? text : '');
  };
  return (
    <dialog ref={dialog} onCancel={() => end(undefined)} aria-labelledby="question-title">
      {asked && (
        <form onSubmit={submit}>
          <h2 id="question-title">{asked.title}</h2>
          <p>{asked.text}</p>
          {asked.label !== undefined && (
            <label>
              {asked.label}
              <input name="text" required autocomplete="off" />
            </label>
          )}
          <div class="buttons">
            <button type="button" onClick={() => end(undefined)}>
              Cancel
            </button>
            <button type="submit" class={asked.isDangerous ? 'danger' : 'primary'}>
              {asked.verb}
            </button>
          </div>
        </form>
      )}
    </dialog>
  );
}
