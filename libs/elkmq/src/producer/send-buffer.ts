/**
 * Counts the messages that wait for Redis or are on their way, in characters of JSON. Partitions have parts
 * of one buffer. A part holds half of it at the most, so a partition that does not answer leaves room for
 * others.
 */
export class SendBuffer {
  readonly max: number;
  readonly #whole: SendBuffer | undefined;
  #used = 0;

  /** @param whole the buffer of which this is a part */
  constructor(max: number, whole?: SendBuffer) {
    this.max = max;
    this.#whole = whole;
  }

  /** Makes a part of this buffer. */
  newPart(): SendBuffer {
    return new SendBuffer(Math.ceil(this.max / 2), this);
  }

  /** Takes room of this size. Returns false, and takes nothing, when there is less. */
  reserve(size: number): boolean {
    if (this.#used + size > this.max || this.#whole?.reserve(size) === false) return false;
    this.#used += size;
    return true;
  }

  release(size: number): void {
    this.#used -= size;
    this.#whole?.release(size);
  }
}
