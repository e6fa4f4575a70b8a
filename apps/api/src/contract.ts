/** What goes over the queue and the topic. The worker app has a file of its own with the same words, as two services would. */

export const INSPECT_PACKAGE = 'package.inspect';
export const PACKAGE_FOUND = 'package.found';

export interface Finding {
  /** The package's folder, relative to the project root. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  readonly licence: string;
  /** The file with the text of the licence. */
  readonly licenceFile: string | null;
  readonly files: number;
  readonly bytes: number;
  readonly worker: string;
}

/** The error reply to a path that is no package of this project. */
export interface Refusal {
  readonly status: 'error';
  readonly code: 'NOT_A_PACKAGE';
  readonly message: string;
}
