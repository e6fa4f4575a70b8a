/** What is to be undone at the end, the latest first, however the demo ends. */
export class Cleanups {
  readonly #steps: (() => Promise<void>)[] = [];

  add(step: () => Promise<void>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      // One that fails must not keep the others from being done.
      await step().catch((error: unknown) => {
        console.error(`The demo did not clean up: ${String(error)}`);
        process.exitCode = 1;
      });
    }
  }
}
