-- name: tags_all
-- The tags of a function by name.
SELECT name, value FROM tags WHERE function_id = :function_id ORDER BY name;

-- name: tag_save
-- A tag with a value, new or not.
INSERT INTO tags (function_id, name, value) VALUES (:function_id, :name, :value)
ON CONFLICT (function_id, name) DO UPDATE SET value = excluded.value;

-- name: tag_delete
-- The end of a tag.
DELETE FROM tags WHERE function_id = :function_id AND name = :name;
