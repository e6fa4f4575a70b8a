/** The kinds of actions. `view` covers everything that only reads. */
export type ConsoleActionKind =
  'view' | 'retry' | 'remove' | 'runNow' | 'move' | 'purge' | 'pause' | 'resume' | 'removeSchedule';

/** A change that somebody made or tried. */
export interface ActionRecord {
  /** The time of the change, ms since 1970. */
  readonly at: number;
  /** The answer of the option `identify`. */
  readonly who: string | undefined;
  readonly kind: ConsoleActionKind;
  readonly queue: string;
  /**
   * The messages that were chosen: their ids, or a state. For `removeSchedule` the name of the schedule. Empty
   * for `pause` and `resume`.
   */
  readonly target: readonly string[] | string;
  /** The queue to which messages were moved; only for `move`. */
  readonly to?: string;
  /** The number of messages or schedules that were changed; 0 when it failed, though some may have changed. */
  readonly count: number;
  /** The message of the error with which it failed. */
  readonly error: string | undefined;
}

/** The number of changes that are kept. */
const MAX_RECORDS = 500;

/** The last changes that were made with this console, in the memory of this process. */
export class ActionLog {
  readonly #records: ActionRecord[] = [];

  /** The changes, the last one first. */
  get records(): readonly ActionRecord[] {
    return this.#records;
  }

  addRecord(record: ActionRecord): void {
    this.#records.unshift(record);
    this.#records.splice(MAX_RECORDS);
  }
}
