-- One row a call, appended by the ledger and never changed. Money is pico-dollars, times are unix milliseconds,
-- truths are 0 and 1. The id begins with the time of the call, so it is the index by time as well.
CREATE TABLE tollgate_usage (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    request_id TEXT COLLATE "C" NOT NULL,
    call_id TEXT COLLATE "C" NOT NULL,
    call_type TEXT COLLATE "C" NOT NULL,
    route TEXT COLLATE "C" NOT NULL,
    api_key TEXT COLLATE "C" NOT NULL,
    key_alias TEXT COLLATE "C",
    user_id TEXT COLLATE "C",
    team_id TEXT COLLATE "C",
    team_alias TEXT COLLATE "C",
    organization_id TEXT COLLATE "C",
    customer TEXT COLLATE "C",
    tags TEXT COLLATE "C",
    session_id TEXT COLLATE "C",
    ip TEXT COLLATE "C",
    requested_model TEXT COLLATE "C" NOT NULL,
    model_group TEXT COLLATE "C",
    model TEXT COLLATE "C",
    model_id TEXT COLLATE "C",
    provider TEXT COLLATE "C",
    api_base TEXT COLLATE "C",
    status TEXT COLLATE "C" NOT NULL,
    http_status BIGINT NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    error_class TEXT COLLATE "C",
    stream BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    total_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    audio_prompt_tokens BIGINT NOT NULL,
    audio_completion_tokens BIGINT NOT NULL,
    usage_source TEXT COLLATE "C" NOT NULL,
    cost BIGINT NOT NULL,
    price_version BIGINT,
    priced BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    first_token_ms BIGINT,
    ended_ms BIGINT NOT NULL,
    charges TEXT COLLATE "C",
    request TEXT COLLATE "C",
    response TEXT COLLATE "C"
);
CREATE INDEX tollgate_usage_request_id ON tollgate_usage (request_id);
CREATE INDEX tollgate_usage_api_key ON tollgate_usage (api_key, id);
CREATE INDEX tollgate_usage_user_id ON tollgate_usage (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX tollgate_usage_team_id ON tollgate_usage (team_id, id) WHERE team_id IS NOT NULL;
CREATE INDEX tollgate_usage_customer ON tollgate_usage (customer, id) WHERE customer IS NOT NULL;
CREATE INDEX tollgate_usage_session_id ON tollgate_usage (session_id, id) WHERE session_id IS NOT NULL;

-- the upstream calls of a call, counted from 1
CREATE TABLE tollgate_attempt (
    usage_id TEXT COLLATE "C" NOT NULL,
    n BIGINT NOT NULL,
    model_id TEXT COLLATE "C" NOT NULL,
    http_status BIGINT NOT NULL,
    failure TEXT COLLATE "C",
    duration_us BIGINT NOT NULL,
    PRIMARY KEY (usage_id, n)
);

-- Sums by hour (2026-11-21T05, UTC). The id is the hour and a digest of what follows; what is not known is empty.
CREATE TABLE tollgate_usage_hour (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    hour TEXT COLLATE "C" NOT NULL,
    api_key TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    customer TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    model_group TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    route TEXT COLLATE "C" NOT NULL,
    requests BIGINT NOT NULL,
    successes BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL
);
CREATE INDEX tollgate_usage_hour_api_key ON tollgate_usage_hour (api_key, hour);
CREATE INDEX tollgate_usage_hour_user_id ON tollgate_usage_hour (user_id, hour);
CREATE INDEX tollgate_usage_hour_team_id ON tollgate_usage_hour (team_id, hour);
CREATE INDEX tollgate_usage_hour_customer ON tollgate_usage_hour (customer, hour);

-- sums by day (2026-11-21, UTC)
CREATE TABLE tollgate_usage_day (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    day TEXT COLLATE "C" NOT NULL,
    api_key TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    customer TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    model_group TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    route TEXT COLLATE "C" NOT NULL,
    requests BIGINT NOT NULL,
    successes BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL
);
CREATE INDEX tollgate_usage_day_api_key ON tollgate_usage_day (api_key, day);
CREATE INDEX tollgate_usage_day_user_id ON tollgate_usage_day (user_id, day);
CREATE INDEX tollgate_usage_day_team_id ON tollgate_usage_day (team_id, day);
CREATE INDEX tollgate_usage_day_customer ON tollgate_usage_day (customer, day);

-- sums by day for each label; a call counts for each of its labels
CREATE TABLE tollgate_usage_tag_day (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    day TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    api_key TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL,
    team_id TEXT COLLATE "C" NOT NULL,
    organization_id TEXT COLLATE "C" NOT NULL,
    customer TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    model_group TEXT COLLATE "C" NOT NULL,
    provider TEXT COLLATE "C" NOT NULL,
    route TEXT COLLATE "C" NOT NULL,
    requests BIGINT NOT NULL,
    successes BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL
);
CREATE INDEX tollgate_usage_tag_day_tag ON tollgate_usage_tag_day (tag, day);

-- How far a segment of a journal is booked, in bytes; changed in the transaction that books it.
CREATE TABLE tollgate_journal (
    segment BIGINT NOT NULL PRIMARY KEY,
    booked BIGINT NOT NULL
);

-- What of a counter comes from rows of tollgate_usage that are still there, in which period: for verification.
ALTER TABLE tollgate_spend ADD COLUMN booked_period BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tollgate_spend ADD COLUMN booked BIGINT NOT NULL DEFAULT 0;

-- What the SQL of LiteLLM's users reads: views with its names and columns. One that exists already, because this is
-- LiteLLM's own database, is left alone.

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_SpendLogs"') IS NULL THEN
CREATE VIEW "LiteLLM_SpendLogs" AS SELECT
    request_id AS "request_id",
    call_type AS "call_type",
    api_key AS "api_key",
    (cost)::double precision / 1e12 AS "spend",
    total_tokens AS "total_tokens",
    prompt_tokens AS "prompt_tokens",
    completion_tokens AS "completion_tokens",
    to_timestamp(started_ms / 1000.0) AT TIME ZONE 'UTC' AS "startTime",
    to_timestamp(ended_ms / 1000.0) AT TIME ZONE 'UTC' AS "endTime",
    to_timestamp(COALESCE(first_token_ms, ended_ms) / 1000.0) AT TIME ZONE 'UTC' AS "completionStartTime",
    ended_ms - started_ms AS "request_duration_ms",
    COALESCE(model, requested_model) AS "model",
    COALESCE(model_id, '') AS "model_id",
    COALESCE(model_group, '') AS "model_group",
    COALESCE(provider, '') AS "custom_llm_provider",
    COALESCE(api_base, '') AS "api_base",
    COALESCE(user_id, '') AS "user",
    jsonb_build_object('user_api_key', api_key, 'user_api_key_alias', key_alias, 'user_api_key_user_id', user_id, 'user_api_key_team_id', team_id, 'user_api_key_team_alias', team_alias, 'user_api_key_org_id', organization_id, 'requester_ip_address', ip, 'status', status, 'attempted_retries', GREATEST(attempts - 1, 0), 'usage_object', jsonb_build_object('prompt_tokens', prompt_tokens, 'completion_tokens', completion_tokens, 'total_tokens', total_tokens), 'additional_usage_values', jsonb_build_object('cache_read_input_tokens', cached_tokens, 'cache_creation_input_tokens', cache_write_tokens, 'reasoning_tokens', reasoning_tokens), 'error_information', CASE WHEN status = 'failure' THEN jsonb_build_object('error_code', http_status::text, 'error_class', COALESCE(error_class, outcome)) END) AS "metadata",
    'None' AS "cache_hit",
    'Cache OFF' AS "cache_key",
    COALESCE(tags, '[]')::jsonb AS "request_tags",
    COALESCE(team_id, '') AS "team_id",
    COALESCE(organization_id, '') AS "organization_id",
    COALESCE(customer, '') AS "end_user",
    ip AS "requester_ip_address",
    '{}'::jsonb AS "messages",
    CASE WHEN response IS NULL THEN '{}'::jsonb ELSE to_jsonb(response) END AS "response",
    CASE WHEN request IS NULL THEN '{}'::jsonb ELSE to_jsonb(request) END AS "proxy_server_request",
    COALESCE(session_id, call_id) AS "session_id",
    status AS "status",
    NULL::text AS "mcp_namespaced_tool_name",
    NULL::text AS "agent_id"
FROM tollgate_usage;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_VerificationToken"') IS NULL THEN
CREATE VIEW "LiteLLM_VerificationToken" AS SELECT
    e.id AS "token",
    doc ->> 'key_name' AS "key_name",
    doc ->> 'key_alias' AS "key_alias",
    CASE WHEN jsonb_typeof(doc -> 'soft_budget_cooldown') = 'boolean' THEN (doc ->> 'soft_budget_cooldown')::boolean END AS "soft_budget_cooldown",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (extract(epoch FROM now()) * 1000)::bigint THEN 0 ELSE COALESCE(s.spent, 0) END)::double precision / 1e12 AS "spend",
    CASE WHEN doc ->> 'expires' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'expires')::timestamptz AT TIME ZONE 'UTC' END AS "expires",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'models') WHEN 'array' THEN doc -> 'models' ELSE '[]'::jsonb END)) AS "models",
    COALESCE(doc -> 'aliases', '{}'::jsonb) AS "aliases",
    COALESCE(doc -> 'config', '{}'::jsonb) AS "config",
    COALESCE(doc -> 'router_settings', '{}'::jsonb) AS "router_settings",
    doc ->> 'user_id' AS "user_id",
    doc ->> 'team_id' AS "team_id",
    doc ->> 'agent_id' AS "agent_id",
    doc ->> 'project_id' AS "project_id",
    COALESCE(doc -> 'permissions', '{}'::jsonb) AS "permissions",
    COALESCE(doc -> 'metadata', '{}'::jsonb) AS "metadata",
    CASE WHEN jsonb_typeof(doc -> 'blocked') = 'boolean' THEN (doc ->> 'blocked')::boolean END AS "blocked",
    CASE WHEN jsonb_typeof(doc -> 'tpm_limit') = 'number' THEN (doc ->> 'tpm_limit')::numeric::bigint END AS "tpm_limit",
    CASE WHEN jsonb_typeof(doc -> 'rpm_limit') = 'number' THEN (doc ->> 'rpm_limit')::numeric::bigint END AS "rpm_limit",
    CASE WHEN jsonb_typeof(doc -> 'max_parallel_requests') = 'number' THEN (doc ->> 'max_parallel_requests')::numeric::bigint END AS "max_parallel_requests",
    CASE WHEN jsonb_typeof(doc -> 'max_budget') = 'number' THEN (doc ->> 'max_budget')::numeric::double precision END AS "max_budget",
    doc ->> 'budget_duration' AS "budget_duration",
    CASE WHEN doc ->> 'budget_reset_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'budget_reset_at')::timestamptz AT TIME ZONE 'UTC' END AS "budget_reset_at",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'allowed_cache_controls') WHEN 'array' THEN doc -> 'allowed_cache_controls' ELSE '[]'::jsonb END)) AS "allowed_cache_controls",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'allowed_routes') WHEN 'array' THEN doc -> 'allowed_routes' ELSE '[]'::jsonb END)) AS "allowed_routes",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'policies') WHEN 'array' THEN doc -> 'policies' ELSE '[]'::jsonb END)) AS "policies",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'access_group_ids') WHEN 'array' THEN doc -> 'access_group_ids' ELSE '[]'::jsonb END)) AS "access_group_ids",
    COALESCE(doc -> 'model_spend', '{}'::jsonb) AS "model_spend",
    COALESCE(doc -> 'model_max_budget', '{}'::jsonb) AS "model_max_budget",
    doc ->> 'budget_id' AS "budget_id",
    doc ->> 'organization_id' AS "organization_id",
    doc ->> 'object_permission_id' AS "object_permission_id",
    CASE WHEN doc ->> 'created_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'created_at')::timestamptz AT TIME ZONE 'UTC' END AS "created_at",
    doc ->> 'created_by' AS "created_by",
    CASE WHEN doc ->> 'updated_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'updated_at')::timestamptz AT TIME ZONE 'UTC' END AS "updated_at",
    doc ->> 'updated_by' AS "updated_by",
    CASE WHEN doc ->> 'last_active' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'last_active')::timestamptz AT TIME ZONE 'UTC' END AS "last_active",
    COALESCE(doc -> 'budget_limits', '[]'::jsonb) AS "budget_limits"
FROM tollgate_key e LEFT JOIN tollgate_spend s ON s.scope = 'key' AND s.id = e.id AND s.slot = '';
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_UserTable"') IS NULL THEN
CREATE VIEW "LiteLLM_UserTable" AS SELECT
    e.id AS "user_id",
    doc ->> 'user_alias' AS "user_alias",
    doc ->> 'team_id' AS "team_id",
    doc ->> 'sso_user_id' AS "sso_user_id",
    doc ->> 'organization_id' AS "organization_id",
    NULL::text AS "password",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'teams') WHEN 'array' THEN doc -> 'teams' ELSE '[]'::jsonb END)) AS "teams",
    doc ->> 'user_role' AS "user_role",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (extract(epoch FROM now()) * 1000)::bigint THEN 0 ELSE COALESCE(s.spent, 0) END)::double precision / 1e12 AS "spend",
    doc ->> 'user_email' AS "user_email",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'models') WHEN 'array' THEN doc -> 'models' ELSE '[]'::jsonb END)) AS "models",
    COALESCE(doc -> 'metadata', '{}'::jsonb) AS "metadata",
    CASE WHEN jsonb_typeof(doc -> 'tpm_limit') = 'number' THEN (doc ->> 'tpm_limit')::numeric::bigint END AS "tpm_limit",
    CASE WHEN jsonb_typeof(doc -> 'rpm_limit') = 'number' THEN (doc ->> 'rpm_limit')::numeric::bigint END AS "rpm_limit",
    CASE WHEN jsonb_typeof(doc -> 'max_parallel_requests') = 'number' THEN (doc ->> 'max_parallel_requests')::numeric::bigint END AS "max_parallel_requests",
    CASE WHEN jsonb_typeof(doc -> 'max_budget') = 'number' THEN (doc ->> 'max_budget')::numeric::double precision END AS "max_budget",
    doc ->> 'budget_duration' AS "budget_duration",
    CASE WHEN doc ->> 'budget_reset_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'budget_reset_at')::timestamptz AT TIME ZONE 'UTC' END AS "budget_reset_at",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'allowed_cache_controls') WHEN 'array' THEN doc -> 'allowed_cache_controls' ELSE '[]'::jsonb END)) AS "allowed_cache_controls",
    COALESCE(doc -> 'model_spend', '{}'::jsonb) AS "model_spend",
    COALESCE(doc -> 'model_max_budget', '{}'::jsonb) AS "model_max_budget",
    CASE WHEN doc ->> 'created_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'created_at')::timestamptz AT TIME ZONE 'UTC' END AS "created_at",
    CASE WHEN doc ->> 'updated_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'updated_at')::timestamptz AT TIME ZONE 'UTC' END AS "updated_at"
FROM tollgate_user e LEFT JOIN tollgate_spend s ON s.scope = 'user' AND s.id = e.id AND s.slot = '';
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_TeamTable"') IS NULL THEN
CREATE VIEW "LiteLLM_TeamTable" AS SELECT
    e.id AS "team_id",
    doc ->> 'team_alias' AS "team_alias",
    doc ->> 'organization_id' AS "organization_id",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'admins') WHEN 'array' THEN doc -> 'admins' ELSE '[]'::jsonb END)) AS "admins",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'members') WHEN 'array' THEN doc -> 'members' ELSE '[]'::jsonb END)) AS "members",
    COALESCE(doc -> 'members_with_roles', '[]'::jsonb) AS "members_with_roles",
    COALESCE(doc -> 'metadata', '{}'::jsonb) AS "metadata",
    CASE WHEN jsonb_typeof(doc -> 'soft_budget') = 'number' THEN (doc ->> 'soft_budget')::numeric::double precision END AS "soft_budget",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (extract(epoch FROM now()) * 1000)::bigint THEN 0 ELSE COALESCE(s.spent, 0) END)::double precision / 1e12 AS "spend",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'models') WHEN 'array' THEN doc -> 'models' ELSE '[]'::jsonb END)) AS "models",
    CASE WHEN jsonb_typeof(doc -> 'blocked') = 'boolean' THEN (doc ->> 'blocked')::boolean END AS "blocked",
    CASE WHEN jsonb_typeof(doc -> 'tpm_limit') = 'number' THEN (doc ->> 'tpm_limit')::numeric::bigint END AS "tpm_limit",
    CASE WHEN jsonb_typeof(doc -> 'rpm_limit') = 'number' THEN (doc ->> 'rpm_limit')::numeric::bigint END AS "rpm_limit",
    CASE WHEN jsonb_typeof(doc -> 'max_parallel_requests') = 'number' THEN (doc ->> 'max_parallel_requests')::numeric::bigint END AS "max_parallel_requests",
    CASE WHEN jsonb_typeof(doc -> 'max_budget') = 'number' THEN (doc ->> 'max_budget')::numeric::double precision END AS "max_budget",
    doc ->> 'budget_duration' AS "budget_duration",
    CASE WHEN doc ->> 'budget_reset_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'budget_reset_at')::timestamptz AT TIME ZONE 'UTC' END AS "budget_reset_at",
    COALESCE(doc -> 'model_spend', '{}'::jsonb) AS "model_spend",
    COALESCE(doc -> 'model_max_budget', '{}'::jsonb) AS "model_max_budget",
    COALESCE(doc -> 'router_settings', '{}'::jsonb) AS "router_settings",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'team_member_permissions') WHEN 'array' THEN doc -> 'team_member_permissions' ELSE '[]'::jsonb END)) AS "team_member_permissions",
    CASE WHEN doc ->> 'created_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'created_at')::timestamptz AT TIME ZONE 'UTC' END AS "created_at",
    CASE WHEN doc ->> 'updated_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'updated_at')::timestamptz AT TIME ZONE 'UTC' END AS "updated_at"
FROM tollgate_team e LEFT JOIN tollgate_spend s ON s.scope = 'team' AND s.id = e.id AND s.slot = '';
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_TeamMembership"') IS NULL THEN
CREATE VIEW "LiteLLM_TeamMembership" AS SELECT
    doc ->> 'user_id' AS "user_id",
    doc ->> 'team_id' AS "team_id",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (extract(epoch FROM now()) * 1000)::bigint THEN 0 ELSE COALESCE(s.spent, 0) END)::double precision / 1e12 AS "spend",
    doc ->> 'budget_id' AS "budget_id"
FROM tollgate_member e LEFT JOIN tollgate_spend s ON s.scope = 'member' AND s.id = e.id AND s.slot = '';
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_EndUserTable"') IS NULL THEN
CREATE VIEW "LiteLLM_EndUserTable" AS SELECT
    e.id AS "user_id",
    doc ->> 'alias' AS "alias",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (extract(epoch FROM now()) * 1000)::bigint THEN 0 ELSE COALESCE(s.spent, 0) END)::double precision / 1e12 AS "spend",
    doc ->> 'allowed_model_region' AS "allowed_model_region",
    doc ->> 'default_model' AS "default_model",
    doc ->> 'budget_id' AS "budget_id",
    CASE WHEN jsonb_typeof(doc -> 'blocked') = 'boolean' THEN (doc ->> 'blocked')::boolean END AS "blocked"
FROM tollgate_customer e LEFT JOIN tollgate_spend s ON s.scope = 'customer' AND s.id = e.id AND s.slot = '';
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_OrganizationTable"') IS NULL THEN
CREATE VIEW "LiteLLM_OrganizationTable" AS SELECT
    e.id AS "organization_id",
    doc ->> 'organization_alias' AS "organization_alias",
    doc ->> 'budget_id' AS "budget_id",
    COALESCE(doc -> 'metadata', '{}'::jsonb) AS "metadata",
    ARRAY(SELECT jsonb_array_elements_text(CASE jsonb_typeof(doc -> 'models') WHEN 'array' THEN doc -> 'models' ELSE '[]'::jsonb END)) AS "models",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (extract(epoch FROM now()) * 1000)::bigint THEN 0 ELSE COALESCE(s.spent, 0) END)::double precision / 1e12 AS "spend",
    COALESCE(doc -> 'model_spend', '{}'::jsonb) AS "model_spend",
    CASE WHEN doc ->> 'created_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'created_at')::timestamptz AT TIME ZONE 'UTC' END AS "created_at",
    doc ->> 'created_by' AS "created_by",
    CASE WHEN doc ->> 'updated_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'updated_at')::timestamptz AT TIME ZONE 'UTC' END AS "updated_at",
    doc ->> 'updated_by' AS "updated_by"
FROM tollgate_organization e LEFT JOIN tollgate_spend s ON s.scope = 'organization' AND s.id = e.id AND s.slot = '';
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_BudgetTable"') IS NULL THEN
CREATE VIEW "LiteLLM_BudgetTable" AS SELECT
    e.id AS "budget_id",
    CASE WHEN jsonb_typeof(doc -> 'soft_budget') = 'number' THEN (doc ->> 'soft_budget')::numeric::double precision END AS "soft_budget",
    COALESCE(doc -> 'model_max_budget', '{}'::jsonb) AS "model_max_budget",
    CASE WHEN jsonb_typeof(doc -> 'tpm_limit') = 'number' THEN (doc ->> 'tpm_limit')::numeric::bigint END AS "tpm_limit",
    CASE WHEN jsonb_typeof(doc -> 'rpm_limit') = 'number' THEN (doc ->> 'rpm_limit')::numeric::bigint END AS "rpm_limit",
    CASE WHEN jsonb_typeof(doc -> 'max_parallel_requests') = 'number' THEN (doc ->> 'max_parallel_requests')::numeric::bigint END AS "max_parallel_requests",
    CASE WHEN jsonb_typeof(doc -> 'max_budget') = 'number' THEN (doc ->> 'max_budget')::numeric::double precision END AS "max_budget",
    doc ->> 'budget_duration' AS "budget_duration",
    CASE WHEN doc ->> 'budget_reset_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'budget_reset_at')::timestamptz AT TIME ZONE 'UTC' END AS "budget_reset_at",
    CASE WHEN doc ->> 'created_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'created_at')::timestamptz AT TIME ZONE 'UTC' END AS "created_at",
    doc ->> 'created_by' AS "created_by",
    CASE WHEN doc ->> 'updated_at' ~ '^\d{4}-\d\d-\d\dT' THEN (doc ->> 'updated_at')::timestamptz AT TIME ZONE 'UTC' END AS "updated_at",
    doc ->> 'updated_by' AS "updated_by"
FROM tollgate_budget e;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_DailyUserSpend"') IS NULL THEN
CREATE VIEW "LiteLLM_DailyUserSpend" AS SELECT
    id AS "id",
    user_id AS "user_id",
    day AS "date",
    api_key AS "api_key",
    model AS "model",
    model_group AS "model_group",
    provider AS "custom_llm_provider",
    '' AS "mcp_namespaced_tool_name",
    route AS "endpoint",
    prompt_tokens AS "prompt_tokens",
    completion_tokens AS "completion_tokens",
    cached_tokens AS "cache_read_input_tokens",
    cache_write_tokens AS "cache_creation_input_tokens",
    (cost)::double precision / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_day;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_DailyTeamSpend"') IS NULL THEN
CREATE VIEW "LiteLLM_DailyTeamSpend" AS SELECT
    id AS "id",
    team_id AS "team_id",
    day AS "date",
    api_key AS "api_key",
    model AS "model",
    model_group AS "model_group",
    provider AS "custom_llm_provider",
    '' AS "mcp_namespaced_tool_name",
    route AS "endpoint",
    prompt_tokens AS "prompt_tokens",
    completion_tokens AS "completion_tokens",
    cached_tokens AS "cache_read_input_tokens",
    cache_write_tokens AS "cache_creation_input_tokens",
    (cost)::double precision / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_day WHERE team_id <> '';
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_DailyOrganizationSpend"') IS NULL THEN
CREATE VIEW "LiteLLM_DailyOrganizationSpend" AS SELECT
    id AS "id",
    organization_id AS "organization_id",
    day AS "date",
    api_key AS "api_key",
    model AS "model",
    model_group AS "model_group",
    provider AS "custom_llm_provider",
    '' AS "mcp_namespaced_tool_name",
    route AS "endpoint",
    prompt_tokens AS "prompt_tokens",
    completion_tokens AS "completion_tokens",
    cached_tokens AS "cache_read_input_tokens",
    cache_write_tokens AS "cache_creation_input_tokens",
    (cost)::double precision / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_day WHERE organization_id <> '';
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_DailyEndUserSpend"') IS NULL THEN
CREATE VIEW "LiteLLM_DailyEndUserSpend" AS SELECT
    id AS "id",
    customer AS "end_user_id",
    day AS "date",
    api_key AS "api_key",
    model AS "model",
    model_group AS "model_group",
    provider AS "custom_llm_provider",
    '' AS "mcp_namespaced_tool_name",
    route AS "endpoint",
    prompt_tokens AS "prompt_tokens",
    completion_tokens AS "completion_tokens",
    cached_tokens AS "cache_read_input_tokens",
    cache_write_tokens AS "cache_creation_input_tokens",
    (cost)::double precision / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_day WHERE customer <> '';
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."LiteLLM_DailyTagSpend"') IS NULL THEN
CREATE VIEW "LiteLLM_DailyTagSpend" AS SELECT
    id AS "id",
    tag AS "tag",
    day AS "date",
    api_key AS "api_key",
    model AS "model",
    model_group AS "model_group",
    provider AS "custom_llm_provider",
    '' AS "mcp_namespaced_tool_name",
    route AS "endpoint",
    prompt_tokens AS "prompt_tokens",
    completion_tokens AS "completion_tokens",
    cached_tokens AS "cache_read_input_tokens",
    cache_write_tokens AS "cache_creation_input_tokens",
    (cost)::double precision / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_tag_day;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."MonthlyGlobalSpend"') IS NULL THEN
CREATE VIEW "MonthlyGlobalSpend" AS SELECT
    (day)::date AS "date",
    (SUM(cost))::double precision / 1e12 AS "spend"
FROM tollgate_usage_day WHERE id >= to_char((now() AT TIME ZONE 'UTC') - interval '30 days', 'YYYY-MM-DD') GROUP BY day;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."MonthlyGlobalSpendPerKey"') IS NULL THEN
CREATE VIEW "MonthlyGlobalSpendPerKey" AS SELECT
    (day)::date AS "date",
    (SUM(cost))::double precision / 1e12 AS "spend",
    api_key AS "api_key"
FROM tollgate_usage_day WHERE id >= to_char((now() AT TIME ZONE 'UTC') - interval '30 days', 'YYYY-MM-DD') GROUP BY day, api_key;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."MonthlyGlobalSpendPerUserPerKey"') IS NULL THEN
CREATE VIEW "MonthlyGlobalSpendPerUserPerKey" AS SELECT
    (day)::date AS "date",
    (SUM(cost))::double precision / 1e12 AS "spend",
    api_key AS "api_key",
    user_id AS "user"
FROM tollgate_usage_day WHERE id >= to_char((now() AT TIME ZONE 'UTC') - interval '30 days', 'YYYY-MM-DD') GROUP BY day, api_key, user_id;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."Last30dKeysBySpend"') IS NULL THEN
CREATE VIEW "Last30dKeysBySpend" AS SELECT
    u.api_key AS "api_key",
    k.doc ->> 'key_alias' AS "key_alias",
    k.doc ->> 'key_name' AS "key_name",
    u.total_spend AS "total_spend"
FROM (SELECT api_key, (SUM(cost))::double precision / 1e12 AS total_spend FROM tollgate_usage_day WHERE id >= to_char((now() AT TIME ZONE 'UTC') - interval '30 days', 'YYYY-MM-DD') GROUP BY api_key) u LEFT JOIN tollgate_key k ON k.id = u.api_key ORDER BY u.total_spend DESC;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."Last30dModelsBySpend"') IS NULL THEN
CREATE VIEW "Last30dModelsBySpend" AS SELECT
    model AS "model",
    (SUM(cost))::double precision / 1e12 AS "total_spend"
FROM tollgate_usage_day WHERE id >= to_char((now() AT TIME ZONE 'UTC') - interval '30 days', 'YYYY-MM-DD') AND model <> '' GROUP BY model ORDER BY 2 DESC;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."Last30dTopEndUsersSpend"') IS NULL THEN
CREATE VIEW "Last30dTopEndUsersSpend" AS SELECT
    customer AS "end_user",
    SUM(requests) AS "total_events",
    (SUM(cost))::double precision / 1e12 AS "total_spend"
FROM tollgate_usage_day WHERE id >= to_char((now() AT TIME ZONE 'UTC') - interval '30 days', 'YYYY-MM-DD') AND customer <> '' GROUP BY customer ORDER BY 3 DESC LIMIT 100;
END IF;
END $do$;

DO $do$ BEGIN
IF to_regclass(quote_ident(current_schema()) || '."DailyTagSpend"') IS NULL THEN
CREATE VIEW "DailyTagSpend" AS SELECT
    tag AS "individual_request_tag",
    (day)::date AS "spend_date",
    SUM(requests) AS "log_count",
    (SUM(cost))::double precision / 1e12 AS "total_spend"
FROM tollgate_usage_tag_day GROUP BY tag, day;
END IF;
END $do$;
