/*
 * The meaning of Redis's count of deliveries of a pending entry, beyond 1. The same numbers are in
 * redis/lua/shared/deliveries.lua.
 */

/** A worker has won the entry from legacy consumers. */
export const WON = 2;
/** The attempt has answered in part, so the message is never run again. */
export const HAS_ANSWERED = 3;
