import { runCommand, writeJson } from '../../scripts/command-line.js';
import { runPartitionedCampaign } from '../partitions/campaign.js';
import { isTopicGood, runTopicCampaign, type TopicResult } from '../topics/campaign.js';
import { formatTopicResult } from '../topics/report.js';
import type { DeliveryMode } from 'nestjs-elkmq';
import { runCampaign, type CampaignOptions, type CampaignResult } from './campaign.js';
import { parseOptions } from './options.js';
import { formatResult, isGood } from './report.js';

/** Breaks things while messages flow, for each mode of delivery, and says what became of every message. */
await runCommand(async () => {
  const { modes, jsonFile, isTopic, isPartitioned, ...options } = parseOptions(process.argv.slice(2));
  if (isTopic) return runTopics(modes, jsonFile, options);
  const results: CampaignResult[] = [];
  for (const delivery of modes) {
    sayProgress(`delivery '${delivery}', seed ${options.seed}`);
    const campaign = isPartitioned ? runPartitionedCampaign : runCampaign;
    const result = await campaign({ ...options, delivery }, sayProgress);
    results.push(result);
    console.log(`\n${formatResult(result, isPartitioned)}\n`);
  }
  writeJson(jsonFile, results);
  return results.every(isGood);
});

async function runTopics(
  modes: readonly DeliveryMode[],
  jsonFile: string | undefined,
  options: Omit<CampaignOptions, 'delivery'>,
): Promise<boolean> {
  const results: TopicResult[] = [];
  for (const delivery of modes) {
    sayProgress(`topics, delivery '${delivery}', seed ${options.seed}`);
    const result = await runTopicCampaign({ ...options, delivery }, sayProgress);
    results.push(result);
    console.log(`\n${formatTopicResult(result)}\n`);
    if (!isTopicGood(result)) console.log(`  the ledger and the logs are in ${result.folder}`);
  }
  writeJson(jsonFile, results);
  return results.every(isTopicGood);
}

/** Where it does not mix with the result, which may go into a file. */
function sayProgress(line: string): void {
  process.stderr.write(`${line}\n`);
}
