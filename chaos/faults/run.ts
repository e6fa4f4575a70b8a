import { runCommand, writeJson } from '../../scripts/command-line.js';
import { runCampaign, type CampaignResult } from './campaign.js';
import { parseOptions } from './options.js';
import { formatResult, isGood } from './report.js';

/** Breaks things while messages flow, for each mode of delivery, and says what became of every message. */
await runCommand(async () => {
  const { modes, jsonFile, ...options } = parseOptions(process.argv.slice(2));
  const results: CampaignResult[] = [];
  for (const delivery of modes) {
    sayProgress(`delivery '${delivery}', seed ${options.seed}`);
    const result = await runCampaign({ ...options, delivery }, sayProgress);
    results.push(result);
    console.log(`\n${formatResult(result)}\n`);
  }
  writeJson(jsonFile, results);
  return results.every(isGood);
});

/** Where it does not mix with the result, which may go into a file. */
function sayProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}
