-- name: version_one
-- One published version.
SELECT * FROM versions WHERE function_id = :function_id AND version = :version;

-- name: version_of_edition
-- The version that was published from a deployment of $LATEST.
SELECT * FROM versions
WHERE function_id = :function_id AND edition = :edition
ORDER BY version DESC
LIMIT 1;

-- name: version_insert
-- A new version.
INSERT INTO versions (
    function_id, version, state, state_reason, state_reason_code, revision_id, edition, configuration, package,
    snap_start
) VALUES (
    :function_id, :version, :state, :state_reason, :state_reason_code, :revision_id, :edition, :configuration, :package,
    :snap_start
);

-- name: versions_settle
-- The versions that wait for a deployment to end share its end.
UPDATE versions SET state = :state, state_reason = :state_reason, state_reason_code = :state_reason_code
WHERE function_id = :function_id AND edition = :edition AND state = 'Pending';

-- name: version_state
-- The state of one version.
UPDATE versions SET state = :state, state_reason = :state_reason, state_reason_code = :state_reason_code
WHERE function_id = :function_id AND version = :version;

-- name: versions_available
-- No version is known to be gone.
UPDATE versions SET state = 'Active', state_reason = NULL, state_reason_code = NULL WHERE state = 'Inactive';

-- name: version_delete
-- The end of a version.
DELETE FROM versions WHERE function_id = :function_id AND version = :version;

-- name: versions_page
-- Versions of a function by number, from one number on.
SELECT * FROM versions
WHERE function_id = :function_id AND version >= :version
ORDER BY version
LIMIT :count;

-- name: versions_all
-- All versions of a function.
SELECT * FROM versions WHERE function_id = :function_id;

-- name: versions_snap_start
-- The versions of a function that are initialised when they are published, the newest first.
SELECT * FROM versions WHERE function_id = :function_id AND snap_start = 1 ORDER BY version DESC;

-- name: functions_snap_start
-- The functions that have such versions.
SELECT * FROM functions WHERE function_id IN (SELECT function_id FROM versions WHERE snap_start = 1);
