-- name: provisioned_one
-- The provisioned concurrency of a version or an alias.
SELECT * FROM provisioned WHERE function_id = :function_id AND qualifier = :qualifier;

-- name: provisioned_all
-- All provisioned concurrency of a function, by qualifier.
SELECT * FROM provisioned WHERE function_id = :function_id ORDER BY qualifier;

-- name: provisioned_save
-- Provisioned concurrency, new or changed.
INSERT INTO provisioned (function_id, qualifier, requested, last_modified)
VALUES (:function_id, :qualifier, :requested, :last_modified)
ON CONFLICT (function_id, qualifier) DO UPDATE SET
    requested = excluded.requested, last_modified = excluded.last_modified;

-- name: provisioned_delete
-- The end of the provisioned concurrency of a version or an alias.
DELETE FROM provisioned WHERE function_id = :function_id AND qualifier = :qualifier;

-- name: provisioned_functions
-- The functions that have any.
SELECT * FROM functions WHERE function_id IN (SELECT function_id FROM provisioned);

-- name: provisioned_in_account
-- What the functions without reserved concurrency have provisioned in an account and Region.
SELECT COALESCE(SUM(provisioned.requested), 0) AS requested
FROM provisioned JOIN functions ON functions.function_id = provisioned.function_id
WHERE functions.account_id = :account_id AND functions.region = :region AND functions.reserved_concurrency IS NULL;
