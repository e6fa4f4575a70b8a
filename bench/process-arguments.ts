import { tellParentOfCrash } from './parent.js';
import type { BenchTransport } from './transports/bench-transport.js';
import { isTransportName, loadTransport } from './transports/index.js';

/** A worker or client process is started with the name of its transport and the address of the broker. */
export async function transportOfThisProcess(): Promise<{ transport: BenchTransport; url: string }> {
  tellParentOfCrash();
  const [name = '', url = ''] = process.argv.slice(2);
  if (!isTransportName(name)) throw new Error(`started with an unknown transport: ${JSON.stringify(name)}`);
  return { transport: await loadTransport(name), url };
}
