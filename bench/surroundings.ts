import { LOOPBACK, type Addresses } from './addresses.js';
import { makeCertificates, whyNoTls } from './certificates.js';
import type { Conditions } from './conditions.js';
import { Network } from './network.js';
import { NotHereError } from './not-here.js';

/** What was asked for besides the transports. */
export interface Wanted {
  /** The delay of each packet, ms. Absent: no network, all are on the loopback interface. */
  readonly networkDelayMs?: number;
  readonly tls: boolean;
}

/** Where brokers and processes of a run are. */
export interface Surroundings {
  readonly addresses: Addresses;
  readonly network?: Network;
  remove(): Promise<void>;
}

/** @throws {NotHereError} when the machine does not allow it */
export async function makeSurroundings({ networkDelayMs, tls }: Wanted): Promise<Surroundings> {
  const why = tls ? whyNoTls() : undefined;
  if (why !== undefined) throw new NotHereError(`Nothing is measured with TLS: ${why}`);
  const network = networkDelayMs === undefined ? undefined : Network.start(networkDelayMs);
  try {
    const { broker, worker } = network ?? LOOPBACK;
    const certificates = tls ? await makeCertificates([broker]) : undefined;
    // The processes that are measured inherit it.
    if (certificates !== undefined) process.env['NODE_EXTRA_CA_CERTS'] = certificates.authority;
    return {
      addresses: { broker, worker, ...(certificates !== undefined && { certificates }) },
      ...(network !== undefined && { network }),
      async remove() {
        await certificates?.remove();
        network?.stop();
      },
    };
  } catch (error) {
    network?.stop();
    throw error;
  }
}

/** Of the usual run. */
export const PAIR = 'one client and one worker';

/** Who takes part and where, a few words each. */
export function describeSurroundings(
  { networkDelayMs, tls }: Wanted,
  { processes, handlerMs, concurrency }: Conditions,
): string[] {
  return [
    processes === 1 ? PAIR : `${processes} clients and ${processes} workers`,
    ...(networkDelayMs === undefined
      ? []
      : [`clients, broker and workers in a network namespace each, ${networkDelayMs} ms each way`]),
    ...(tls ? ['TLS'] : []),
    ...(handlerMs === 0 ? [] : [`handlers that wait for ${handlerMs} ms`]),
    ...(concurrency === undefined ? [] : [`concurrency ${concurrency}`]),
  ];
}
