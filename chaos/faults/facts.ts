import { readLedger, type Line } from './ledger.js';

/** One execution of a handler. */
export interface Execution {
  readonly life: string;
  readonly at: number;
  readonly attempt: number;
  /** Of its ordering key: rises with each start. Empty for a message without a key. */
  readonly token: string;
  /** When it finished or failed; undefined when it did neither, ms since 1970. */
  endedAt: number | undefined;
  finished: boolean;
  /** It threw, as it was meant to. */
  failed: boolean;
}

/** What the ledger says of one message. */
export interface Facts {
  /** The life of the client that sent it. */
  sentBy: string | undefined;
  /** ms since 1970 */
  sentAt: number;
  stored: boolean;
  /** What its callers were told: of a request, or of an event that was not stored. */
  readonly outcomes: string[];
  /** In the order of their attempts. */
  readonly executions: Execution[];
}

/** The ledger by message. */
export function readFacts(folder: string): Map<number, Facts> {
  const messages = new Map<number, Facts>();
  for (const [life, lines] of readLedger(folder)) {
    const open = new Map<number, Execution>();
    for (const line of lines) note(factsOf(messages, line.number), life, line, open);
  }
  // A worker that stood still may start its attempt when the next one is over.
  for (const { executions } of messages.values()) {
    executions.sort((one, other) => one.attempt - other.attempt || one.at - other.at);
  }
  return messages;
}

function factsOf(messages: Map<number, Facts>, number: number): Facts {
  let facts = messages.get(number);
  if (!facts) {
    facts = { sentBy: undefined, sentAt: 0, stored: false, outcomes: [], executions: [] };
    messages.set(number, facts);
  }
  return facts;
}

/** @param open executions of this life by message, the latest of each */
function note(
  facts: Facts,
  life: string,
  { fact, number, at, detail }: Line,
  open: Map<number, Execution>,
): void {
  const execution = open.get(number);
  switch (fact) {
    case 'sent':
      facts.sentBy = life;
      facts.sentAt = at;
      break;
    case 'stored':
      facts.stored = true;
      break;
    case 'refused':
    case 'outcome':
      facts.outcomes.push(detail);
      break;
    case 'started': {
      const [attempt, token = ''] = detail.split(' ');
      const started: Execution = {
        ...{ life, at, attempt: Number(attempt), token },
        ...{ endedAt: undefined, finished: false, failed: false },
      };
      open.set(number, started);
      facts.executions.push(started);
      break;
    }
    case 'finished':
    case 'failed':
      if (!execution) break;
      execution.endedAt = at;
      execution[fact] = true;
  }
}
