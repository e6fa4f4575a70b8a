import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { compileExamples, examplesOf, patternOf, runExamples } from '../support/examples.js';
import { until, url } from '../support/queue.js';
import { ExampleProgram } from './example-program.js';
import { pythonModule } from './original.js';

const inRust = {
  language: 'Rust',
  answer: 'Some("35")',
  taken: ['shipping.price Some("{\\"weight\\":3}")', 'order.placed Some("{\\"id\\":7}")'],
} as const;
const inPython = {
  language: 'Python',
  answer: '35',
  taken: ['shipping.price {"weight":3}', 'order.placed {"id":7}'],
} as const;
const languages = pythonModule === undefined ? [inRust] : [inRust, inPython];

it.each(languages)(
  'the programs of docs/interop.md, in $language and with Nest, work together as it says',
  async ({ language, answer, taken }) => {
    const folder = fileURLToPath(new URL(`../../dist/examples-${randomUUID()}`, import.meta.url));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const examples = examplesOf('docs/interop.md');
    expect(await compileExamples([examples], folder)).toBe('');

    const total = new ExampleProgram(language, 'order_total', url);
    const price = new ExampleProgram(language, 'shipping_price', url);
    const { output } = await runExamples(examples, folder, { redis: url, postgres: undefined });
    expect(output).toMatch(patternOf(examples.outputs.join('\n')));
    expect(await total.ended).toBe('code 0');
    expect(total.output).toBe(`${answer}\n`);
    await until(() => price.output.split('\n').length > 2);
    expect(price.output).toBe(taken.map((line) => `${line}\n`).join(''));
  },
);
