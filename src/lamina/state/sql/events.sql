-- name: accept_invocation
-- A new asynchronous invocation; answers with its number.
INSERT INTO async_invocations (
    account_id, region, function_name, qualifier, request_id, payload, client_context, trace_id, accepted_ms, due_ms
) VALUES (
    :account_id, :region, :function_name, :qualifier, :request_id, :payload, :client_context, :trace_id,
    :accepted_ms, :due_ms
)
RETURNING id;

-- name: pending_invocations
-- Everything that waits, without the payloads.
SELECT id, due_ms FROM async_invocations ORDER BY due_ms;

-- name: invocation
-- One asynchronous invocation.
SELECT * FROM async_invocations WHERE id = :id;

-- name: postpone_invocation
-- Another try, later.
UPDATE async_invocations SET due_ms = :due_ms, attempt = :attempt, throttled = :throttled WHERE id = :id;

-- name: forget_invocation
-- The end of an asynchronous invocation.
DELETE FROM async_invocations WHERE id = :id;
