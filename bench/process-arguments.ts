import { USUAL, type Conditions } from './conditions.js';
import { tellParentOfCrash } from './parent.js';
import type { BenchTransport } from './transports/bench-transport.js';
import { isTransportName, loadTransport } from './transports/index.js';

/** A process is started with the name of its transport, the address of the broker, and the conditions of the run. */
export async function transportOfThisProcess(): Promise<{
  transport: BenchTransport;
  url: string;
  conditions: Conditions;
}> {
  tellParentOfCrash();
  const [name = '', url = '', conditions] = process.argv.slice(2);
  if (!isTransportName(name)) throw new Error(`started with an unknown transport: ${JSON.stringify(name)}`);
  return {
    transport: await loadTransport(name),
    url,
    conditions: conditions === undefined ? USUAL : (JSON.parse(conditions) as Conditions),
  };
}
