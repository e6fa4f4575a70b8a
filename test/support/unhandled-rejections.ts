import { onTestFinished } from 'vitest';

/** The reasons of the rejections that nobody handles, from now on. Each of them would end a process. */
export function unhandledRejections(): unknown[] {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => {
    rejections.push(reason);
  };
  process.on('unhandledRejection', note);
  onTestFinished(() => {
    process.off('unhandledRejection', note);
  });
  return rejections;
}
