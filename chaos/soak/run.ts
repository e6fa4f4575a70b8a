import { interruption, runCommand, writeJson } from '../../scripts/command-line.js';
import { startRedis } from '../../scripts/redis.js';
import { parseOptions } from './options.js';
import { formatReport, isGood } from './report.js';
import { soak } from './soak.js';

/** Keeps a queue busy for a long time while workers are killed, and tells whether anything grows. */
await runCommand(async () => {
  const options = parseOptions(process.argv.slice(2));
  const interrupt = interruption();
  // Its log of slow commands fills, on a machine that is busy, for as long as it likes.
  const server = await startRedis({ args: ['--slowlog-log-slower-than', '-1'] });
  try {
    const report = await soak(server.url, options, interrupt);
    console.log(formatReport(report));
    writeJson(options.jsonFile, report);
    return isGood(report);
  } finally {
    await server.stop();
  }
});
