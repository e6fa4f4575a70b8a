/** Is notified of what a subscriber receives. */
export interface ChannelListener {
  /** The channel is subscribed to, for the first time or again. No message comes before that. */
  subscribed(): void;
  received(message: string): void;
  /** Redis refuses the subscription. It is tried again with the next connection. */
  refused(error: Error): void;
  /** There is no connection, though Redis is there. */
  disconnected(error: Error): void;
}

/** Subscribes to one channel, on a connection of its own, again and again until it is closed. */
export interface Subscriber {
  /**
   * Resolves when all messages have been received that were published before this call. A connection that
   * does not answer is replaced.
   * @returns false when the connection broke meanwhile, or there is none
   */
  catchUp(): Promise<boolean>;
  /**
   * Subscribes anew because a message was missed, if that may help.
   * @returns false when it does not
   */
  renewSubscription(): boolean;
  closeSubscriber(): Promise<void>;
}
