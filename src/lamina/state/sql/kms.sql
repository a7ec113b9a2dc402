-- name: kms_master
-- The fingerprint of the master key.
SELECT fingerprint FROM kms_master;

-- name: kms_master_save
-- The fingerprint of a master key that nothing is encrypted under yet.
INSERT INTO kms_master (fingerprint) VALUES (:fingerprint);

-- name: kms_key
-- One key that is not gone, with the number and id of its newest material.
SELECT kms_keys.*, number, material_id FROM kms_keys JOIN kms_materials USING (key_id)
WHERE key_id = :key_id AND account_id = :account_id AND region = :region
    AND (deletion_ms IS NULL OR deletion_ms > :now_ms)
ORDER BY number DESC
LIMIT 1;

-- name: kms_key_owner
-- The account of a key.
SELECT account_id FROM kms_keys WHERE key_id = :key_id AND region = :region;

-- name: kms_keys_page
-- The ids of the keys of an account and Region, from one id on.
SELECT key_id FROM kms_keys
WHERE account_id = :account_id AND region = :region AND key_id >= :start
    AND (deletion_ms IS NULL OR deletion_ms > :now_ms)
ORDER BY key_id
LIMIT :count;

-- name: kms_key_insert
-- A new key.
INSERT INTO kms_keys (key_id, account_id, region, created_ms, description, manager, enabled, policy)
VALUES (:key_id, :account_id, :region, :created_ms, :description, :manager, 1, :policy);

-- name: kms_key_save
-- What can change of a key.
UPDATE kms_keys SET
    description = :description, enabled = :enabled, policy = :policy, deletion_ms = :deletion_ms,
    rotation_days = :rotation_days, next_rotation_ms = :next_rotation_ms
WHERE key_id = :key_id;

-- name: kms_material_insert
-- New material of a key.
INSERT INTO kms_materials (key_id, number, material_id, wrapped)
VALUES (:key_id, :number, :material_id, :wrapped);

-- name: kms_material
-- One material of a key.
SELECT wrapped FROM kms_materials WHERE key_id = :key_id AND material_id = :material_id;

-- name: kms_keys_to_destroy
-- The keys whose waiting time is over.
SELECT key_id FROM kms_keys WHERE deletion_ms <= :now_ms;

-- name: kms_material_erase
-- The material of a key, overwritten in place.
UPDATE kms_materials SET wrapped = zeroblob(length(wrapped)) WHERE key_id = :key_id;

-- name: kms_key_delete
-- The end of a key, with its material, aliases and tags.
DELETE FROM kms_keys WHERE key_id = :key_id;

-- name: kms_keys_to_rotate
-- The keys whose rotation is due. One that is disabled or pending deletion is rotated when it is usable again.
SELECT key_id, account_id, region FROM kms_keys
WHERE next_rotation_ms <= :now_ms AND enabled = 1 AND deletion_ms IS NULL;

-- name: kms_alias
-- One alias.
SELECT * FROM kms_aliases WHERE account_id = :account_id AND region = :region AND name = :name;

-- name: kms_aliases_page
-- Aliases by name, from one name on; with a key those of the key alone.
SELECT * FROM kms_aliases
WHERE account_id = :account_id AND region = :region AND name >= :start AND (:key_id = '' OR key_id = :key_id)
ORDER BY name
LIMIT :count;

-- name: kms_alias_save
-- A new alias, or another key for an old one.
INSERT INTO kms_aliases (account_id, region, name, key_id, created_ms, updated_ms)
VALUES (:account_id, :region, :name, :key_id, :now_ms, :now_ms)
ON CONFLICT (account_id, region, name) DO UPDATE SET key_id = excluded.key_id, updated_ms = excluded.updated_ms;

-- name: kms_alias_delete
-- The end of an alias.
DELETE FROM kms_aliases WHERE account_id = :account_id AND region = :region AND name = :name;

-- name: kms_tags_page
-- Tags of a key by name, from one name on.
SELECT name, value FROM kms_tags WHERE key_id = :key_id AND name >= :start ORDER BY name LIMIT :count;

-- name: kms_tag_save
-- A tag with a value, new or not.
INSERT INTO kms_tags (key_id, name, value) VALUES (:key_id, :name, :value)
ON CONFLICT (key_id, name) DO UPDATE SET value = excluded.value;

-- name: kms_tag_delete
-- The end of a tag.
DELETE FROM kms_tags WHERE key_id = :key_id AND name = :name;

-- name: kms_next_due
-- When the next key is to be destroyed or rotated.
SELECT min(due_ms) AS due_ms FROM (
    SELECT min(deletion_ms) AS due_ms FROM kms_keys WHERE deletion_ms IS NOT NULL
    UNION ALL
    SELECT min(next_rotation_ms) FROM kms_keys
    WHERE next_rotation_ms IS NOT NULL AND enabled = 1 AND deletion_ms IS NULL
) AS times;
