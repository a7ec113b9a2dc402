-- name: alias_one
-- One alias of a function.
SELECT * FROM aliases WHERE function_id = :function_id AND name = :name;

-- name: alias_save
-- A new alias, or new values of an old one.
INSERT INTO aliases (
    function_id, name, version, description, additional_version, additional_weight, revision_id
) VALUES (
    :function_id, :name, :version, :description, :additional_version, :additional_weight, :revision_id
)
ON CONFLICT (function_id, name) DO UPDATE SET
    version = excluded.version, description = excluded.description,
    additional_version = excluded.additional_version, additional_weight = excluded.additional_weight,
    revision_id = excluded.revision_id;

-- name: alias_delete
-- The end of an alias.
DELETE FROM aliases WHERE function_id = :function_id AND name = :name;

-- name: aliases_page
-- Aliases of a function by name, from one name on.
SELECT * FROM aliases
WHERE function_id = :function_id AND name >= :name
ORDER BY name
LIMIT :count;

-- name: aliases_of_version_page
-- Aliases whose main version is the given one, by name, from one name on.
SELECT * FROM aliases
WHERE function_id = :function_id AND version = :version AND name >= :name
ORDER BY name
LIMIT :count;

-- name: alias_to_version
-- An alias that sends invocations to a version.
SELECT name FROM aliases WHERE function_id = :function_id AND version = :version
UNION SELECT name FROM aliases WHERE function_id = :function_id AND additional_version = :version
LIMIT 1;
