import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { compileExamples, examplesOf, patternOf, runExamples } from '../support/examples.js';
import { until, url } from '../support/queue.js';
import { RustProgram } from './rust-program.js';

it('the programs of docs/interop.md, in Rust and with Nest, work together as it says', async () => {
  const folder = fileURLToPath(new URL(`../../dist/examples-${randomUUID()}`, import.meta.url));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const examples = examplesOf('docs/interop.md');
  expect(await compileExamples([examples], folder)).toBe('');

  const total = new RustProgram('order_total', url);
  const price = new RustProgram('shipping_price', url);
  const { output } = await runExamples(examples, folder, url);
  expect(output).toMatch(patternOf(examples.outputs.join('\n')));
  expect(await total.ended).toBe('code 0');
  expect(total.output).toBe('Some("35")\n');
  await until(() => price.output.split('\n').length > 2);
  expect(price.output).toBe('shipping.price Some("{\\"weight\\":3}")\norder.placed Some("{\\"id\\":7}")\n');
});
