-- name: function_one
-- One function by its key.
SELECT * FROM functions WHERE account_id = :account_id AND region = :region AND name = :name;

-- name: function_insert
-- A new function.
INSERT INTO functions (
    function_id, account_id, region, name, state, state_reason, state_reason_code,
    update_status, update_status_reason, update_status_reason_code, revision_id,
    shown, serving, shown_package, serving_package, last_version, reserved_concurrency
) VALUES (
    :function_id, :account_id, :region, :name, :state, :state_reason, :state_reason_code,
    :update_status, :update_status_reason, :update_status_reason_code, :revision_id,
    :shown, :serving, :shown_package, :serving_package, :last_version, :reserved_concurrency
);

-- name: function_save
-- Everything of a function that can change.
UPDATE functions SET
    state = :state, state_reason = :state_reason, state_reason_code = :state_reason_code,
    update_status = :update_status, update_status_reason = :update_status_reason,
    update_status_reason_code = :update_status_reason_code, revision_id = :revision_id,
    shown = :shown, serving = :serving, shown_package = :shown_package, serving_package = :serving_package,
    last_version = :last_version, reserved_concurrency = :reserved_concurrency
WHERE function_id = :function_id;

-- name: function_delete
-- The end of a function and of all that hangs on it.
DELETE FROM functions WHERE function_id = :function_id;

-- name: functions_page
-- Functions of an account in a Region by name, from one name on.
SELECT * FROM functions
WHERE account_id = :account_id AND region = :region AND name >= :name
ORDER BY name
LIMIT :count;

-- name: functions_unfinished
-- Functions whose creation or update was accepted and has not ended.
SELECT * FROM functions WHERE state = 'Pending' OR update_status = 'InProgress';

-- name: functions_available
-- No function is known to be gone.
UPDATE functions SET state = 'Active', state_reason = NULL, state_reason_code = NULL WHERE state = 'Inactive';

-- name: packages_in_use
-- The packages and images of all functions and versions.
SELECT shown_package AS package FROM functions
UNION SELECT serving_package FROM functions WHERE serving_package IS NOT NULL
UNION SELECT package FROM versions;
