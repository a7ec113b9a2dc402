-- name: deployment_last
-- The number of a function's last deployment.
SELECT revision FROM deployments WHERE function_id = :function_id ORDER BY revision DESC LIMIT 1;

-- name: deployment_insert
-- A deployment that was accepted.
INSERT INTO deployments (
    function_id, revision, deployment, operation, caller, began_ms, from_sha256, code, stored, code_size
) VALUES (
    :function_id, :revision, :deployment, :operation, :caller, :began_ms, :from_sha256, :code, :stored, :code_size
);

-- name: deployment_end
-- How a deployment has ended.
UPDATE deployments SET ended_ms = :ended_ms, outcome = :outcome, reason = :reason, steps = :steps
WHERE deployment = :deployment;

-- name: deployments_forget
-- All but the last deployments of a function.
DELETE FROM deployments
WHERE function_id = :function_id
    AND revision <= (SELECT MAX(revision) FROM deployments WHERE function_id = :function_id) - :keep;

-- name: deployments_all
-- The deployments of a function, the last one first.
SELECT * FROM deployments WHERE function_id = :function_id ORDER BY revision DESC;

-- name: deployments_stored
-- What all deployments have stored, the newest first.
SELECT stored, code_size FROM deployments ORDER BY began_ms DESC, function_id, revision DESC;
