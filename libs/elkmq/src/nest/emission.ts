import type { Subscriber } from 'rxjs';

/** What became of an event that was emitted, for those who subscribe before it is known and for those who do later. */
export class Emission<T> {
  #isWatched = false;
  readonly #waiting: Subscriber<T>[] = [];
  #tell: ((observer: Subscriber<T>) => void) | undefined;

  /** Somebody has subscribed. */
  get isWatched(): boolean {
    return this.#isWatched;
  }

  watch(observer: Subscriber<T>): void {
    this.#isWatched = true;
    if (this.#tell) this.#tell(observer);
    else this.#waiting.push(observer);
  }

  succeeded(value: T): void {
    this.#end((observer) => {
      observer.next(value);
      observer.complete();
    });
  }

  failed(error: unknown): void {
    this.#end((observer) => {
      observer.error(error);
    });
  }

  #end(tell: (observer: Subscriber<T>) => void): void {
    this.#tell = tell;
    for (const observer of this.#waiting) tell(observer);
    // An array literal (see PlainEvent) must lead to nothing any more.
    this.#waiting.length = 0;
  }
}
