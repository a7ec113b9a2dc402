-- name: policy_one
-- The resource policy of a function ('') or of one of its versions or aliases.
SELECT * FROM policies WHERE function_id = :function_id AND qualifier = :qualifier;

-- name: policy_save
-- A policy with its statements, new or not.
INSERT INTO policies (function_id, qualifier, revision_id, statements)
VALUES (:function_id, :qualifier, :revision_id, :statements)
ON CONFLICT (function_id, qualifier) DO UPDATE SET
    revision_id = excluded.revision_id, statements = excluded.statements;

-- name: policy_delete
-- The end of a policy.
DELETE FROM policies WHERE function_id = :function_id AND qualifier = :qualifier;
