-- Code signing: Signer's profiles and jobs, and Lambda's code signing configurations. Times are epoch milliseconds.

-- `version` is the newest version of the profile; `permissions_revision` changes with its permissions.
CREATE TABLE signing_profiles (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    is_canceled BOOLEAN NOT NULL,
    permissions_revision TEXT,
    PRIMARY KEY (account_id, region, name)
);

-- `parameters` is a JSON document. Signatures made from `revoked_from_ms` on do not count.
CREATE TABLE signing_profile_versions (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    platform_id TEXT NOT NULL,
    validity_value INTEGER NOT NULL,
    validity_type TEXT NOT NULL,
    parameters TEXT NOT NULL,
    revoked_from_ms BIGINT,
    revoked_at_ms BIGINT,
    revoked_by TEXT,
    revocation_reason TEXT,
    PRIMARY KEY (account_id, region, name, version),
    FOREIGN KEY (account_id, region, name) REFERENCES signing_profiles
);

CREATE TABLE signing_profile_permissions (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    statement_id TEXT NOT NULL,
    action TEXT NOT NULL,
    principal TEXT NOT NULL,
    profile_version TEXT,
    PRIMARY KEY (account_id, region, name, statement_id),
    FOREIGN KEY (account_id, region, name) REFERENCES signing_profiles
);

CREATE TABLE signing_profile_tags (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    tag TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (account_id, region, name, tag),
    FOREIGN KEY (account_id, region, name) REFERENCES signing_profiles
);

-- `account_id` owns the profile, `invoker` has asked. A payload's job has no token, source and destination. `request`
-- is what came with the token, as JSON.
CREATE TABLE signing_jobs (
    job_id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    invoker TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    token TEXT,
    request TEXT,
    profile_name TEXT NOT NULL,
    profile_version TEXT NOT NULL,
    source_bucket TEXT,
    source_key TEXT,
    source_version TEXT,
    signed_bucket TEXT,
    signed_key TEXT,
    status TEXT NOT NULL,
    status_reason TEXT,
    created_ms BIGINT NOT NULL,
    completed_ms BIGINT,
    expires_ms BIGINT,
    revoked_at_ms BIGINT,
    revoked_by TEXT,
    revocation_reason TEXT,
    UNIQUE (invoker, region, token),
    FOREIGN KEY (account_id, region, profile_name, profile_version) REFERENCES signing_profile_versions
);

CREATE INDEX signing_jobs_owner ON signing_jobs (account_id, region, created_ms, job_id);
CREATE INDEX signing_jobs_unfinished ON signing_jobs (job_id) WHERE status = 'InProgress';

-- `publishers` is a JSON list of profile version ARNs. `change` is the number of the change that last altered whom the
-- configuration trusts, or its policy.
CREATE TABLE code_signing_configs (
    arn TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    config_id TEXT NOT NULL,
    description TEXT NOT NULL,
    publishers TEXT NOT NULL,
    policy TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    change BIGINT NOT NULL
);

CREATE INDEX code_signing_configs_account ON code_signing_configs (account_id, region, config_id);

CREATE TABLE code_signing_config_tags (
    arn TEXT NOT NULL REFERENCES code_signing_configs ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (arn, name)
);

CREATE TABLE function_code_signing (
    function_id BIGINT NOT NULL PRIMARY KEY REFERENCES functions ON DELETE CASCADE,
    arn TEXT NOT NULL REFERENCES code_signing_configs
);

CREATE INDEX function_code_signing_arn ON function_code_signing (arn);
