-- Calls that are found by something else than their time, anew: by hashes so long that no two values share one, so that a
-- row is not read to be counted. What was entered by shorter ones is left to releases that know them, empty: they
-- enter it again.
CREATE TABLE tollgate_seek_span (
    span INTEGER NOT NULL PRIMARY KEY,
    next TEXT NOT NULL
);
CREATE TABLE tollgate_seek (
    span INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (span, hash, id)
) WITHOUT ROWID;
DELETE FROM tollgate_usage_find;
DELETE FROM tollgate_usage_span;

-- Keys that were deleted, as they were then. The id is random: a key may be made anew and deleted again.
CREATE TABLE tollgate_deleted_key (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    token TEXT GENERATED ALWAYS AS (doc ->> 'token') STORED,
    key_alias TEXT GENERATED ALWAYS AS (doc ->> 'key_alias') STORED,
    key_name TEXT GENERATED ALWAYS AS (doc ->> 'key_name') STORED,
    user_id TEXT GENERATED ALWAYS AS (doc ->> 'user_id') STORED,
    team_id TEXT GENERATED ALWAYS AS (doc ->> 'team_id') STORED,
    organization_id TEXT GENERATED ALWAYS AS (doc ->> 'organization_id') STORED,
    created_by TEXT GENERATED ALWAYS AS (doc ->> 'created_by') STORED,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED,
    expires TEXT GENERATED ALWAYS AS (doc ->> 'expires') STORED
);
CREATE INDEX tollgate_deleted_key_page ON tollgate_deleted_key (created_at, id);
CREATE INDEX tollgate_deleted_key_token ON tollgate_deleted_key (token);
CREATE INDEX tollgate_deleted_key_user_id ON tollgate_deleted_key (user_id, created_at, id);
CREATE INDEX tollgate_deleted_key_team_id ON tollgate_deleted_key (team_id, created_at, id);

-- projects and labels, as they were brought over from LiteLLM
CREATE TABLE tollgate_project (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    team_id TEXT GENERATED ALWAYS AS (doc ->> 'team_id') STORED,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_project_team_id ON tollgate_project (team_id);
CREATE INDEX tollgate_project_created_at ON tollgate_project (created_at);
CREATE TABLE tollgate_tag (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_tag_created_at ON tollgate_tag (created_at);

-- How often deployments answered 429, by day (2026-11-21, UTC). The id is the day and a digest of what follows.
CREATE TABLE tollgate_limited_day (
    id TEXT NOT NULL PRIMARY KEY,
    day TEXT NOT NULL,
    model_group TEXT NOT NULL,
    model_id TEXT NOT NULL,
    api_base TEXT NOT NULL,
    attempts BIGINT NOT NULL
);
CREATE INDEX tollgate_limited_day_group ON tollgate_limited_day (model_group, day);
