import { readLedger } from '../faults/ledger.js';
import { FROM_THE_START, SERVICES, serviceOf, type Service } from './roles.js';

/** What became of the events of one service. */
export interface ServiceVerdict {
  /** Events that its handler has started. */
  handled: number;
  handledTwice: number;
  /** Events that are among its dead letters, with the reason. */
  deadLetters: Record<string, number>;
  lost: number;
  /** Events that it should not have. */
  strange: number;
}

export interface TopicVerdict {
  readonly sent: number;
  readonly stored: number;
  readonly refused: number;
  /** Events that some services have and others have not. */
  readonly divided: number;
  readonly services: Record<Service, ServiceVerdict>;
}

interface Sending {
  sentAt: number;
  storedAt: number;
  isRefused: boolean;
}

/** The time at which the service that comes late had its subscription: not before, not after. */
export interface Subscribed {
  readonly notBefore: number;
  readonly notAfter: number;
}

/**
 * Compares the ledger with the dead letters.
 * @param letters service → number of an event → reason
 */
export function checkTopic(
  folder: string,
  letters: ReadonlyMap<Service, ReadonlyMap<number, string>>,
  late: Subscribed,
): TopicVerdict {
  const { sendings, starts } = readFacts(folder);
  const services = {} as Record<Service, ServiceVerdict>;
  const has = (service: Service, number: number): boolean =>
    (starts.get(service)?.has(number) ?? false) || (letters.get(service)?.has(number) ?? false);
  for (const service of SERVICES) {
    const started = starts.get(service) ?? new Map<number, number>();
    const dead = letters.get(service) ?? new Map<number, string>();
    const verdict: ServiceVerdict = {
      handled: started.size,
      handledTwice: [...started.values()].filter((times) => times > 1).length,
      deadLetters: {},
      lost: 0,
      strange: 0,
    };
    for (const reason of dead.values()) verdict.deadLetters[reason] = (verdict.deadLetters[reason] ?? 0) + 1;
    for (const [number, { sentAt, storedAt }] of sendings) {
      const isThere = has(service, number);
      const mustHave = storedAt > 0 && (service !== 'late' || sentAt > late.notAfter);
      const mayHave = service !== 'late' || storedAt === 0 || storedAt >= late.notBefore;
      if (mustHave && !isThere) verdict.lost++;
      if (isThere && !mayHave) verdict.strange++;
    }
    services[service] = verdict;
  }
  const numbers = [...sendings.keys()];
  const all = [...sendings.values()];
  return {
    sent: all.length,
    stored: all.filter(({ storedAt }) => storedAt > 0).length,
    refused: all.filter(({ isRefused }) => isRefused).length,
    divided: numbers.filter((number) => {
      const having = FROM_THE_START.filter((service) => has(service, number)).length;
      return having > 0 && having < FROM_THE_START.length;
    }).length,
    services,
  };
}

function readFacts(folder: string) {
  const sendings = new Map<number, Sending>();
  const starts = new Map<Service, Map<number, number>>();
  for (const [name, lines] of readLedger(folder)) {
    const service = name.startsWith('worker') ? serviceOf(Number(name.split('-')[1])) : undefined;
    for (const { fact, number, at } of lines) {
      if (service) {
        if (fact !== 'started') continue;
        const ofService = starts.get(service) ?? new Map<number, number>();
        starts.set(service, ofService.set(number, (ofService.get(number) ?? 0) + 1));
        continue;
      }
      const sending = sendings.get(number) ?? { sentAt: at, storedAt: 0, isRefused: false };
      if (fact === 'stored') sending.storedAt = at;
      if (fact === 'refused') sending.isRefused = true;
      sendings.set(number, sending);
    }
  }
  return { sendings, starts };
}
