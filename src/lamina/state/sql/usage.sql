-- name: usage_one
-- What an account holds in a Region; no row when it never held anything.
SELECT * FROM usage WHERE account_id = :account_id AND region = :region;

-- name: usage_add
-- What an account holds in a Region grows or, with negative numbers, shrinks.
INSERT INTO usage (account_id, region, functions, code_size, reserved_concurrency)
VALUES (:account_id, :region, :functions, :code_size, :reserved_concurrency)
ON CONFLICT (account_id, region) DO UPDATE SET
    functions = usage.functions + excluded.functions,
    code_size = usage.code_size + excluded.code_size,
    reserved_concurrency = usage.reserved_concurrency + excluded.reserved_concurrency;
