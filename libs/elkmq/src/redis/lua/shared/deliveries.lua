-- Redis counts how often it has delivered a pending entry. A reader of the group gets an entry only once. So
-- this package gives the greater numbers a meaning of its own (model/deliveries.ts has the same numbers):
-- 1: the entry was delivered, and nothing more is known.
-- 2: a worker has won the entry from legacy consumers.
-- 3: the attempt has answered in part, so the message is never run again.
local WON, HAS_ANSWERED = 2, 3
