// Checks the model of a message with an ordering key, docs/model/ordering.pml, with spin; and that spin finds each of the
// mistakes that the model can have.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CommandLine, runCommand } from './command-line.js';
import { root } from './pack.js';

/** A way to run the model. */
interface Variant {
  readonly name: string;
  readonly macros: readonly string[];
  /** Whether spin must find an error. */
  readonly isWrong: boolean;
}

const USAGE = 'Usage: npm run model';
const HEALED = '-DHEALED';
const HOLDS = '-DHOLDS';
/** Healing hides a lane that nobody releases. Only healing shows a head that moves and tells nobody. */
const MISTAKES: readonly (readonly [number: number, name: string, ...macros: string[]])[] = [
  [1, 'a worker that has lost its lease lets the next message go on'],
  [2, 'a dead letter does not let the next message go on'],
  [3, 'a request that was cancelled does not let the next message go on'],
  [4, 'a message that is put back does not tell its lane', HEALED],
  [5, 'a message that is delayed does not tell its lane', HEALED],
  [6, 'a message that is not the head lets the next one go on'],
  [7, 'a delayed message that is due does not look at its lane'],
  [8, 'a dead letter that holds its key lets the next message go on', HOLDS],
  [9, 'a retried letter that holds its key goes to the end of the key', HOLDS, HEALED],
  [10, 'the key of a letter that was removed stays held', HOLDS],
];
const VARIANTS: readonly Variant[] = [
  { name: 'the model', macros: [], isWrong: false },
  { name: 'the model, with deletion by hand and healing', macros: [HEALED], isWrong: false },
  { name: 'the model, with letters that hold their key', macros: [HOLDS], isWrong: false },
  {
    name: 'the model, with such letters, deletion by hand and healing',
    macros: [HOLDS, HEALED],
    isWrong: false,
  },
  ...MISTAKES.map(([number, name, ...macros]) => {
    return { name: `mistake: ${name}`, macros: [`-DMUTATION=${number}`, ...macros], isWrong: true };
  }),
];
/** Of the deepest path. An error is reported when it is too low. */
const MAX_DEPTH = 10_000;
const MAX_MEMORY_MIB = 4_000;

await runCommand(() => {
  new CommandLine(process.argv.slice(2), {}, USAGE);
  return Promise.resolve(VARIANTS.map(checkVariant).every((isRight) => isRight));
});

/** @returns whether spin says what it must */
function checkVariant({ name, macros, isWrong }: Variant): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'elkmq-model-'));
  try {
    const run = (command: string, ...args: string[]): string =>
      execFileSync(command, args, { cwd: folder, encoding: 'utf8' });
    run('spin', ...macros, '-a', join(root, 'docs', 'model', 'ordering.pml'));
    // -DSAFETY: the model has no endless behaviour, so there are no cycles to look for.
    run('gcc', '-O2', '-w', '-DSAFETY', '-DCOLLAPSE', `-DMEMLIM=${MAX_MEMORY_MIB}`, '-o', 'pan', 'pan.c');
    const answer = run('./pan', '-b', `-m${MAX_DEPTH}`, '-w22');
    const isComplete = !/Search not completed|max search depth too small/.test(answer);
    const [, errors = '?'] = /errors: (\d+)/.exec(answer) ?? [];
    const [, states = '?'] = /(\d+) states, stored/.exec(answer) ?? [];
    const isRight = isWrong ? Number(errors) > 0 : errors === '0' && isComplete;
    console.log(`${isRight ? 'ok    ' : 'NOT OK'} ${name}: ${errors} errors in ${states} states`);
    if (!isRight) console.log(answer);
    return isRight;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
