-- Pages of long lists are found in an index alone: of all keys, of those of one owner, and of those with a text in their
-- name. What only began like these is not needed any more.
CREATE INDEX tollgate_key_page ON tollgate_key (created_at, id);
CREATE INDEX tollgate_key_user_page ON tollgate_key (user_id, created_at, id);
CREATE INDEX tollgate_key_team_page ON tollgate_key (team_id, created_at, id);
CREATE INDEX tollgate_key_organization_page ON tollgate_key (organization_id, created_at, id);
CREATE INDEX tollgate_key_name_page ON tollgate_key (key_alias, created_at, id) WHERE key_alias IS NOT NULL;
DROP INDEX tollgate_key_created_at;
DROP INDEX tollgate_key_user_id;
DROP INDEX tollgate_key_team_id;
DROP INDEX tollgate_key_organization_id;

-- A text in a name is found by its trigrams where that extension is there or may be made; else all names are looked at.
DO $do$
DECLARE place TEXT;
BEGIN
    BEGIN
        CREATE EXTENSION IF NOT EXISTS pg_trgm WITH SCHEMA public;
    EXCEPTION WHEN OTHERS THEN NULL;
    END;
    SELECT n.nspname INTO place FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm';
    IF place IS NOT NULL THEN
        EXECUTE format('CREATE INDEX tollgate_key_name_trigrams ON tollgate_key USING gin (LOWER(key_alias) %I.gin_trgm_ops)', place);
    END IF;
EXCEPTION WHEN OTHERS THEN NULL;
END $do$;
