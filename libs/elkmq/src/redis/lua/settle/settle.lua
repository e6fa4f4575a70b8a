-- Finishes attempts and stores their last replies.
-- Returns the ids of the attempts whose worker does not own the entry any more.

-- include shared/add_replies.lua
-- include shared/end_attempt.lua
-- include shared/settlement.lua
return lost
