-- The history of each function's code. `revision` counts from 1 for each function. Times are epoch milliseconds; `code` and
-- `steps` are JSON documents.
-- `stored` is the name of the package in the store or the digest of the image, as it is in `shown_package` too.
CREATE TABLE deployments (
    function_id BIGINT NOT NULL REFERENCES functions ON DELETE CASCADE,
    revision INTEGER NOT NULL,
    deployment TEXT NOT NULL UNIQUE,
    operation TEXT NOT NULL,
    caller TEXT NOT NULL,
    began_ms BIGINT NOT NULL,
    ended_ms BIGINT,
    from_sha256 TEXT NOT NULL,
    code TEXT NOT NULL,
    stored TEXT NOT NULL,
    code_size BIGINT NOT NULL,
    outcome TEXT,
    reason TEXT,
    steps TEXT,
    PRIMARY KEY (function_id, revision)
);
