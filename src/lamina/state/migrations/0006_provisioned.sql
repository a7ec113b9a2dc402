-- SnapStart and provisioned concurrency.

-- Whether the version is initialised when it is published.
ALTER TABLE versions ADD COLUMN snap_start INTEGER NOT NULL DEFAULT 0;
CREATE INDEX versions_snap_start ON versions (function_id) WHERE snap_start = 1;

-- `qualifier` is a version or an alias. What is ready of it is not durable: the environments are not either.
CREATE TABLE provisioned (
    function_id BIGINT NOT NULL REFERENCES functions ON DELETE CASCADE,
    qualifier TEXT NOT NULL,
    requested INTEGER NOT NULL,
    last_modified TEXT NOT NULL,
    PRIMARY KEY (function_id, qualifier)
);
