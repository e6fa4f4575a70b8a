import { Child } from '../../bench/child.js';
import { interruption, runCommand, writeJson } from '../../scripts/command-line.js';
import { startRedis } from '../../scripts/redis.js';
import { parseOptions } from './options.js';
import { formatReport } from './report.js';
import { besiege, QUEUE } from './siege.js';
import type { WorkerReport } from './worker.js';

/** Writes hostile entries straight into a queue that is in use, and tells whether anybody suffered. */
await runCommand(async () => {
  const options = parseOptions(process.argv.slice(2));
  const interrupt = interruption();
  const server = await startRedis();
  try {
    const script = new URL('./worker.js', import.meta.url);
    const letters = String(2 * options.entries + 1_000);
    const args = [server.url, QUEUE, letters];
    const worker = await Child.start<object, WorkerReport>('the worker', script, args, interrupt);
    try {
      const report = await Promise.race([besiege(server.url, worker, options), worker.ended()]);
      console.log(formatReport(report));
      writeJson(options.jsonFile, report);
      return report.violations.length === 0;
    } finally {
      await worker.stop();
    }
  } finally {
    await server.stop();
  }
});
