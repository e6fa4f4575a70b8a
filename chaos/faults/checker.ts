import type { DeliveryMode } from 'nestjs-elkmq';
import type { Execution, Facts } from './facts.js';
import { AFTERMATH, wasDisturbed, type Lives } from './lives.js';
import { isRequest, type Kind, type Load } from './load.js';
import { OrderChecker, type OrderVerdict } from './order-checker.js';
import type { Setbacks } from '../partitions/setbacks.js';
import type { Letter } from './remains.js';

/** What a run comes to. */
export interface Verdict {
  sent: number;
  executed: number;
  /** Messages that were started again though no handler had asked for it. */
  executedTwice: number;
  lost: number;
  /** Messages that a failover has lost, of a run with partitions. */
  lostByRedis: number;
  /** Messages that were started again because a failover has lost that they had been started. */
  repeatedByRedis: number;
  /** What no fault accounts for. */
  unexplained: number;
  readonly deadLettered: Record<string, number>;
  requests: number;
  readonly outcomes: Record<string, number>;
  /** Of a run with ordering keys. */
  order?: OrderVerdict;
  /** The first of what should not be, in words. */
  readonly problems: string[];
}

const MAX_PROBLEMS = 20;
/** What callers may be told, by kind; anything else has no explanation. */
const ERRORS = ['ABANDONED', 'CONNECTION_FAILED'];
const EXPECTED: Partial<Record<Kind, readonly string[]>> = {
  'request that fails': ['handler'],
  'request that is impatient': ['ok', 'TIMEOUT_EXPIRED'],
  'request that is taken back': ['ok', 'taken back'],
};

/** Compares what the ledger says with what is left in Redis, message by message. */
export class Checker {
  readonly verdict: Verdict = {
    sent: 0,
    executed: 0,
    executedTwice: 0,
    lost: 0,
    lostByRedis: 0,
    repeatedByRedis: 0,
    unexplained: 0,
    deadLettered: {},
    requests: 0,
    outcomes: {},
    problems: [],
  };

  constructor(
    private readonly load: Load,
    private readonly delivery: DeliveryMode,
    private readonly lives: Lives,
    /** What Redis has lost, where it may lose something. */
    private readonly setbacks?: Setbacks,
  ) {}

  check(messages: ReadonlyMap<number, Facts>, letters: ReadonlyMap<number, Letter>): Verdict {
    for (const [number, facts] of messages) this.#message(number, facts, letters.get(number));
    for (const number of letters.keys()) {
      if (!messages.has(number)) this.#unexplained(number, 'a dead letter of a message that was never sent');
    }
    if (this.load.isOrdered) {
      const checker = new OrderChecker(this.load, this.lives, this.setbacks);
      checker.checkOrder(messages);
      this.verdict.order = checker.verdict;
      for (const problem of checker.problems) this.#problem(problem);
    }
    return this.verdict;
  }

  #message(number: number, facts: Facts, letter: Letter | undefined): void {
    const { verdict } = this;
    const kind = this.load.kindOf(number);
    verdict.sent++;
    if (facts.sentBy === undefined) this.#unexplained(number, 'executed without having been sent');
    if (facts.executions.length > 0) verdict.executed++;
    this.#executions(number, facts);
    if (letter) this.#letter(number, kind, facts, letter);
    if (isRequest(kind)) this.#outcome(number, kind, facts, letter);
    else if (facts.outcomes.some((outcome) => outcome !== 'CONNECTION_FAILED')) {
      this.#unexplained(number, `the event was refused: ${facts.outcomes.join(', ')}`);
    }
    const isHandled = facts.executions.some((execution) => wasHandled(kind, execution));
    const wasStored = facts.stored || facts.executions.length > 0;
    if (wasStored && !isHandled && !letter && !this.#nobodyWaits(kind, facts)) {
      if (this.setbacks?.isLost(number, facts)) verdict.lostByRedis++;
      else {
        verdict.lost++;
        this.#problem(`message ${number} (${kind}) is lost: ${JSON.stringify(facts)}`);
      }
    }
  }

  /** A request that is in the queue, for the first time or again, may be cancelled or expire when its caller has left. */
  #nobodyWaits(kind: Kind, { executions, outcomes }: Facts): boolean {
    if (!isRequest(kind)) return false;
    // CONNECTION_FAILED: its client was closed, or Redis was away for too long.
    const hasLeft = ['TIMEOUT_EXPIRED', 'taken back', 'CONNECTION_FAILED', undefined].includes(outcomes[0]);
    return executions.length === 0 || (this.delivery === 'at-least-once' && hasLeft);
  }

  #executions(number: number, facts: Facts): void {
    const { executions } = facts;
    let isTwice = false;
    for (const [place, execution] of executions.entries()) {
      const before = executions[place - 1];
      if (!before || this.#isRetry(before, execution)) continue;
      if (this.setbacks?.isRepeated(number, facts, before, execution)) {
        this.verdict.repeatedByRedis++;
        continue;
      }
      isTwice = true;
      if (this.delivery === 'once' || !this.#wasDisturbed(before, execution)) {
        this.#unexplained(number, `executed again: ${JSON.stringify(executions)}`);
      }
    }
    if (isTwice) this.verdict.executedTwice++;
  }

  /** After a failure that is tried again; an attempt between them may have been lost before it was started. */
  #isRetry(failed: Execution, next: Execution): boolean {
    if (!failed.failed || next.attempt <= failed.attempt) return false;
    return next.attempt === failed.attempt + 1 || this.lives.wasAnyDisturbed(failed.at, next.at);
  }

  /** Whether the worker of the first execution could not keep its lease, at some time before the second. */
  #wasDisturbed(first: Execution, second: Execution): boolean {
    return wasDisturbed(this.lives.named(first.life), first.at, second.at);
  }

  #letter(number: number, kind: Kind, { executions }: Facts, { reason, consumer, lastAt }: Letter): void {
    const { deadLettered } = this.verdict;
    deadLettered[reason] = (deadLettered[reason] ?? 0) + 1;
    if (reason === 'failed') {
      if (kind === 'event that fails' && executions.some(({ failed }) => failed)) return;
    } else if (reason === (this.delivery === 'once' ? 'abandoned' : 'exhausted') || reason === 'abandoned') {
      // In at-least-once: a request that had answered in part.
      const isRight =
        this.delivery === 'once' || reason === 'exhausted' || kind === 'request with many values';
      if (isRight && wasDisturbed(this.lives.ofConsumer(consumer), lastAt - AFTERMATH, lastAt)) return;
    }
    this.#unexplained(
      number,
      `a dead letter '${reason}' of ${consumer} at ${lastAt}: ${JSON.stringify(executions)}`,
    );
  }

  #outcome(number: number, kind: Kind, facts: Facts, letter: Letter | undefined): void {
    const { verdict } = this;
    verdict.requests++;
    const { outcomes, executions } = facts;
    const [outcome] = outcomes;
    if (outcome === undefined) {
      verdict.outcomes['caller died'] = (verdict.outcomes['caller died'] ?? 0) + 1;
      const caller = this.lives.named(facts.sentBy);
      if (caller?.endedWell !== false) this.#unexplained(number, 'its caller lived and was told nothing');
      return;
    }
    // Redis may have lost the request or its answer.
    const isLost = this.setbacks !== undefined && outcome === 'TIMEOUT_EXPIRED';
    const isLate = EXPECTED[kind]?.includes(outcome) !== true && (isLost || isToldTooLate(outcome, letter));
    // Counted apart, so that what is let pass can be seen.
    const name = isLate ? (isLost ? 'timed out' : 'timed out, worker died') : outcome;
    verdict.outcomes[name] = (verdict.outcomes[name] ?? 0) + 1;
    const isFinished = executions.some((execution) => wasHandled(kind, execution));
    if (outcomes.length > 1)
      this.#unexplained(number, `has ${outcomes.length} outcomes: ${outcomes.join(', ')}`);
    else if (![...ERRORS, ...(EXPECTED[kind] ?? ['ok'])].includes(outcome) && !isLate) {
      this.#unexplained(number, `(${kind}) ended with ${outcome}: ${JSON.stringify({ facts, letter })}`);
    } else if (outcome === 'ok' && !isFinished) {
      this.#unexplained(number, `was answered without having been executed`);
    } else if (outcome === 'ABANDONED' && !letter && !isFinished) {
      this.#unexplained(number, `was abandoned without a dead letter`);
    }
  }

  #unexplained(number: number, what: string): void {
    this.verdict.unexplained++;
    this.#problem(`message ${number}: ${what}`);
  }

  #problem(what: string): void {
    if (this.verdict.problems.length < MAX_PROBLEMS) this.verdict.problems.push(what);
  }
}

/** Its worker died, and Redis was away so often that nobody found out before its caller had waited for long enough. */
function isToldTooLate(outcome: string, letter: Letter | undefined): boolean {
  return outcome === 'TIMEOUT_EXPIRED' && letter?.reason === 'abandoned';
}

/** A request is handled by an error too: that is its answer. */
function wasHandled(kind: Kind, { finished, failed }: Execution): boolean {
  return finished || (failed && isRequest(kind));
}
