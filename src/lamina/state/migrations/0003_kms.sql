-- The keys of KMS. Times are epoch milliseconds.

-- What tells the master key of the data folder from others; one row from before its first use on.
CREATE TABLE kms_master (fingerprint TEXT NOT NULL PRIMARY KEY);

-- `manager` is CUSTOMER or AWS. A key with a `deletion_ms` is pending deletion, and gone from that moment on.
CREATE TABLE kms_keys (
    key_id TEXT NOT NULL PRIMARY KEY,
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    created_ms BIGINT NOT NULL,
    description TEXT NOT NULL,
    manager TEXT NOT NULL,
    enabled INTEGER NOT NULL,
    policy TEXT NOT NULL,
    deletion_ms BIGINT,
    rotation_days INTEGER,
    next_rotation_ms BIGINT
);

CREATE INDEX kms_keys_place ON kms_keys (account_id, region, key_id);
CREATE INDEX kms_keys_deletion ON kms_keys (deletion_ms) WHERE deletion_ms IS NOT NULL;
CREATE INDEX kms_keys_rotation ON kms_keys (next_rotation_ms) WHERE next_rotation_ms IS NOT NULL;

-- `wrapped` is the key material, encrypted under the master key. The newest encrypts, all decrypt.
CREATE TABLE kms_materials (
    key_id TEXT NOT NULL REFERENCES kms_keys ON DELETE CASCADE,
    number INTEGER NOT NULL,
    material_id TEXT NOT NULL UNIQUE,
    wrapped BLOB NOT NULL,
    PRIMARY KEY (key_id, number)
);

CREATE TABLE kms_aliases (
    account_id TEXT NOT NULL,
    region TEXT NOT NULL,
    name TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES kms_keys ON DELETE CASCADE,
    created_ms BIGINT NOT NULL,
    updated_ms BIGINT NOT NULL,
    PRIMARY KEY (account_id, region, name)
);

CREATE INDEX kms_aliases_key ON kms_aliases (key_id);

CREATE TABLE kms_tags (
    key_id TEXT NOT NULL REFERENCES kms_keys ON DELETE CASCADE,
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (key_id, name)
);
