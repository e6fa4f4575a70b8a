/** One of the two forms in which a client gets its replies: `PushedReplies` or `BlockingReplies`. */
export interface ReplyReader {
  /** Takes nothing more, and closes the connection. */
  closeReader(): Promise<void>;
}

/** Is notified of replies that do not come. */
export interface ReplyTroubles {
  /** Redis refuses to read the inbox. Reading is tried again. */
  refused(error: Error): void;
  /** There is no connection for replies, though Redis is there. */
  disconnected(error: Error): void;
  /** Replies come again. */
  recovered(): void;
}
