/**
 * ElkMQ on a real job: a licence and size audit of this project's installed dependencies, by several processes over
 * queues. Ends with exit code 0 if everything adds up.
 */
import { randomBytes } from 'node:crypto';
import { auditChecks } from './demo/audit-checks.js';
import { runAudit } from './demo/audit.js';
import { printChecks } from './demo/checks.js';
import { Cleanups } from './demo/cleanups.js';
import { Fleet } from './demo/fleet.js';
import { interruption } from './demo/interruption.js';
import { describePackages, readLockFile } from './demo/lock-file.js';
import { showReadmeExample } from './demo/readme-example.js';
import { describeAudit } from './demo/report.js';
import { Traces } from './demo/traces.js';
import { useRedis } from './redis.js';

const cleanups = new Cleanups();
try {
  const allAddsUp = await Promise.race([demo(), interruption()]);
  if (!allAddsUp) process.exitCode = 1;
} catch (error) {
  console.error(`\nThe demo failed. ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
} finally {
  await cleanups.run();
}

async function demo(): Promise<boolean> {
  const redis = await useRedis();
  cleanups.add(() => redis.stop());
  // Nobody else uses keys with this prefix, also when the server is somebody else's.
  const prefix = `elkmq-demo-${randomBytes(4).toString('hex')}`;
  const traces = await Traces.open(redis.url, prefix);
  cleanups.add(() => traces.remove());

  console.log("1. The original README's example, on EventQueue\n");
  await showReadmeExample(`${prefix}-readme`, redis.url);

  console.log('\n2. A licence and size audit of the installed dependencies, by Nest apps\n');
  const packages = await readLockFile();
  console.log(`   ${describePackages(packages)}`);
  const fleet = await Fleet.start(prefix, redis.url, cleanups);
  console.log(`   Started ${fleet.all.map(({ description }) => description).join(', ')}\n`);
  const work = fleet.use(runAudit(fleet, packages.installed.size));
  const audit = await Promise.race([work, traces.lost]);
  await fleet.stop();
  console.log(`\n${describeAudit(fleet, audit)}`);

  console.log('\n3. Does it add up?\n');
  return printChecks([...auditChecks(packages, fleet, audit), await traces.check()]);
}
