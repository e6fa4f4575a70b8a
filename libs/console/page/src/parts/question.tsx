import { signal } from '@preact/signals';
import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface Question {
  readonly title: string;
  readonly text: string;
  /** The text of the button that says yes. */
  readonly verb: string;
  readonly isDangerous: boolean;
  answer(isYes: boolean): void;
}

const question = signal<Question | undefined>(undefined);

/** Asks the user before something is changed. */
export async function ask(title: string, text: string, verb: string, isDangerous: boolean): Promise<boolean> {
  return new Promise((answer) => {
    question.value = { title, text, verb, isDangerous, answer };
  });
}

/** The dialog in which questions appear. The browser keeps the focus in it, and Escape says no. */
export function QuestionDialog(): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  const asked = question.value;
  useEffect(() => {
    if (asked) dialog.current?.showModal();
  }, [asked]);
  const end = (isYes: boolean): void => {
    dialog.current?.close();
    asked?.answer(isYes);
    question.value = undefined;
  };
  return (
    <dialog ref={dialog} onCancel={() => end(false)} aria-labelledby="question-title">
      {asked && (
        <>
          <h2 id="question-title">{asked.title}</h2>
          <p>{asked.text}</p>
          <div class="buttons">
            <button type="button" onClick={() => end(false)}>
              Cancel
            </button>
            <button type="button" class={asked.isDangerous ? 'danger' : 'primary'} onClick={() => end(true)}>
              {asked.verb}
            </button>
          </div>
        </>
      )}
    </dialog>
  );
}
