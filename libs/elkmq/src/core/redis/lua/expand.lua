-- Makes what has been claimed pending, for those who look at pending entries without a script.
-- KEYS: 1 event stream  2 claims, hash
-- ARGV: 1 group
redis.replicate_commands()

-- include shared/expand_claims.lua

expand_claims(KEYS[1], KEYS[2], ARGV[1])
