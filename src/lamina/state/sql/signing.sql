-- name: signing_profile_one
-- A profile with its newest version.
SELECT p.is_canceled, p.permissions_revision, v.* FROM signing_profiles p
JOIN signing_profile_versions v USING (account_id, region, name, version)
WHERE p.account_id = :account_id AND p.region = :region AND p.name = :name;

-- name: signing_profiles_page
-- Profiles with their newest versions by name, from one name on.
SELECT p.is_canceled, p.permissions_revision, v.* FROM signing_profiles p
JOIN signing_profile_versions v USING (account_id, region, name, version)
WHERE p.account_id = :account_id AND p.region = :region AND p.name >= :name
    AND (:platform_id IS NULL OR v.platform_id = :platform_id)
    AND CASE WHEN v.revoked_at_ms IS NOT NULL THEN :with_revoked
        WHEN p.is_canceled THEN :with_canceled ELSE :with_active END
ORDER BY p.name
LIMIT :count;

-- name: signing_profile_save
-- A profile with a new version, new or not.
INSERT INTO signing_profiles (account_id, region, name, version, is_canceled)
VALUES (:account_id, :region, :name, :version, FALSE)
ON CONFLICT (account_id, region, name) DO UPDATE SET version = excluded.version, is_canceled = FALSE;

-- name: signing_profile_cancel
-- No more signatures with a profile.
UPDATE signing_profiles SET is_canceled = TRUE
WHERE account_id = :account_id AND region = :region AND name = :name;

-- name: signing_version_insert
-- A new version of a profile.
INSERT INTO signing_profile_versions (
    account_id, region, name, version, platform_id, validity_value, validity_type, parameters
) VALUES (
    :account_id, :region, :name, :version, :platform_id, :validity_value, :validity_type, :parameters
);

-- name: signing_version_one
-- One version of a profile.
SELECT p.is_canceled, p.permissions_revision, v.* FROM signing_profile_versions v
JOIN signing_profiles p USING (account_id, region, name)
WHERE v.account_id = :account_id AND v.region = :region AND v.name = :name AND v.version = :version;

-- name: signing_version_revoke
-- No trust in what a version has signed from a time on.
UPDATE signing_profile_versions SET
    revoked_from_ms = :revoked_from_ms, revoked_at_ms = :revoked_at_ms, revoked_by = :revoked_by,
    revocation_reason = :revocation_reason
WHERE account_id = :account_id AND region = :region AND name = :name AND version = :version;

-- name: signing_permissions_all
-- The permissions of a profile.
SELECT * FROM signing_profile_permissions
WHERE account_id = :account_id AND region = :region AND name = :name
ORDER BY statement_id;

-- name: signing_permission_insert
-- A new permission.
INSERT INTO signing_profile_permissions (account_id, region, name, statement_id, action, principal, profile_version)
VALUES (:account_id, :region, :name, :statement_id, :action, :principal, :profile_version);

-- name: signing_permission_delete
-- The end of a permission.
DELETE FROM signing_profile_permissions
WHERE account_id = :account_id AND region = :region AND name = :name AND statement_id = :statement_id;

-- name: signing_permissions_revise
-- A new revision of a profile's permissions.
UPDATE signing_profiles SET permissions_revision = :permissions_revision
WHERE account_id = :account_id AND region = :region AND name = :name;

-- name: signing_tags_all
-- The tags of a profile by name.
SELECT tag, value FROM signing_profile_tags
WHERE account_id = :account_id AND region = :region AND name = :name
ORDER BY tag;

-- name: signing_tag_save
-- A tag of a profile with a value, new or not.
INSERT INTO signing_profile_tags (account_id, region, name, tag, value)
VALUES (:account_id, :region, :name, :tag, :value)
ON CONFLICT (account_id, region, name, tag) DO UPDATE SET value = excluded.value;

-- name: signing_tag_delete
-- The end of a tag of a profile.
DELETE FROM signing_profile_tags
WHERE account_id = :account_id AND region = :region AND name = :name AND tag = :tag;

-- name: signing_tags_delete
-- The end of all tags of a profile.
DELETE FROM signing_profile_tags WHERE account_id = :account_id AND region = :region AND name = :name;

-- name: signing_job_insert
-- A new job.
INSERT INTO signing_jobs (
    job_id, account_id, region, invoker, requested_by, token, request, profile_name, profile_version,
    source_bucket, source_key, source_version, signed_bucket, signed_key, status, created_ms, completed_ms, expires_ms
) VALUES (
    :job_id, :account_id, :region, :invoker, :requested_by, :token, :request, :profile_name, :profile_version,
    :source_bucket, :source_key, :source_version, :signed_bucket, :signed_key, :status, :created_ms, :completed_ms,
    :expires_ms
);

-- name: signing_job_one
-- One job with its profile's platform, of a Region.
SELECT j.*, v.platform_id, v.parameters FROM signing_jobs j
JOIN signing_profile_versions v ON v.account_id = j.account_id AND v.region = j.region
    AND v.name = j.profile_name AND v.version = j.profile_version
WHERE j.job_id = :job_id AND j.region = :region;

-- name: signing_job_of_token
-- The job that a token has started.
SELECT job_id, account_id, request FROM signing_jobs
WHERE invoker = :invoker AND region = :region AND token = :token;

-- name: signing_jobs_page
-- Jobs of an owner or an invoker, the newest first, from one job on.
SELECT j.*, v.platform_id, v.parameters FROM signing_jobs j
JOIN signing_profile_versions v ON v.account_id = j.account_id AND v.region = j.region
    AND v.name = j.profile_name AND v.version = j.profile_version
WHERE (j.account_id = :account_id OR j.invoker = :account_id) AND j.region = :region
    AND (j.created_ms < :created_ms OR (j.created_ms = :created_ms AND j.job_id <= :job_id))
    AND (:status IS NULL OR j.status = :status)
    AND (:platform_id IS NULL OR v.platform_id = :platform_id)
    AND (:requested_by IS NULL OR j.requested_by = :requested_by)
    AND (:invoker IS NULL OR j.invoker = :invoker)
    AND (:is_revoked IS NULL OR (j.revoked_at_ms IS NOT NULL) = :is_revoked)
    AND (:expires_before_ms IS NULL OR j.expires_ms < :expires_before_ms)
    AND (:expires_after_ms IS NULL OR j.expires_ms > :expires_after_ms)
ORDER BY j.created_ms DESC, j.job_id DESC
LIMIT :count;

-- name: signing_jobs_unfinished
-- Jobs whose work has not ended.
SELECT j.*, v.platform_id, v.parameters FROM signing_jobs j
JOIN signing_profile_versions v ON v.account_id = j.account_id AND v.region = j.region
    AND v.name = j.profile_name AND v.version = j.profile_version
WHERE j.status = 'InProgress';

-- name: signing_job_finish
-- The end of a job.
UPDATE signing_jobs SET
    status = :status, status_reason = :status_reason, completed_ms = :completed_ms, expires_ms = :expires_ms
WHERE job_id = :job_id AND status = 'InProgress';

-- name: signing_job_revoke
-- No trust in what a job has signed.
UPDATE signing_jobs SET
    revoked_at_ms = :revoked_at_ms, revoked_by = :revoked_by, revocation_reason = :revocation_reason
WHERE job_id = :job_id AND revoked_at_ms IS NULL;

-- name: code_signing_config_one
-- One code signing configuration.
SELECT * FROM code_signing_configs WHERE arn = :arn AND account_id = :account_id AND region = :region;

-- name: code_signing_config_save
-- A code signing configuration, new or not.
INSERT INTO code_signing_configs (
    arn, account_id, region, config_id, description, publishers, policy, last_modified, change
) VALUES (
    :arn, :account_id, :region, :config_id, :description, :publishers, :policy, :last_modified, :change
)
ON CONFLICT (arn) DO UPDATE SET
    description = excluded.description, publishers = excluded.publishers, policy = excluded.policy,
    last_modified = excluded.last_modified, change = excluded.change;

-- name: code_signing_config_delete
-- The end of a code signing configuration and its tags.
DELETE FROM code_signing_configs WHERE arn = :arn;

-- name: code_signing_configs_page
-- Code signing configurations of an account in a Region by id, from one id on.
SELECT * FROM code_signing_configs
WHERE account_id = :account_id AND region = :region AND config_id >= :config_id
ORDER BY config_id
LIMIT :count;

-- name: code_signing_config_tags_all
-- The tags of a code signing configuration by name.
SELECT name, value FROM code_signing_config_tags WHERE arn = :arn ORDER BY name;

-- name: code_signing_config_tag_save
-- A tag of a code signing configuration with a value, new or not.
INSERT INTO code_signing_config_tags (arn, name, value) VALUES (:arn, :name, :value)
ON CONFLICT (arn, name) DO UPDATE SET value = excluded.value;

-- name: code_signing_config_tag_delete
-- The end of a tag of a code signing configuration.
DELETE FROM code_signing_config_tags WHERE arn = :arn AND name = :name;

-- name: function_code_signing_config
-- The code signing configuration that a function has.
SELECT c.* FROM code_signing_configs c JOIN function_code_signing f USING (arn) WHERE f.function_id = :function_id;

-- name: function_code_signing_save
-- A function's code signing configuration, the first or another.
INSERT INTO function_code_signing (function_id, arn) VALUES (:function_id, :arn)
ON CONFLICT (function_id) DO UPDATE SET arn = excluded.arn;

-- name: function_code_signing_delete
-- No code signing configuration for a function any more.
DELETE FROM function_code_signing WHERE function_id = :function_id;

-- name: code_signing_config_functions_page
-- The names of the functions with a code signing configuration, from one name on.
SELECT f.name FROM function_code_signing s JOIN functions f USING (function_id)
WHERE s.arn = :arn AND f.name >= :name
ORDER BY f.name
LIMIT :count;
