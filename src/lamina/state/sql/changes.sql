-- name: change_next
-- The next number of the change counter.
UPDATE changes SET number = number + 1;

-- name: change_current
-- The number of the last change, or in a change its own.
SELECT number FROM changes;
