-- One row a call, appended by the ledger and never changed. Money is pico-dollars, times are unix milliseconds,
-- truths are 0 and 1. The id begins with the time of the call, so it is the index by time as well.
CREATE TABLE tollgate_usage (
    id TEXT NOT NULL PRIMARY KEY,
    request_id TEXT NOT NULL,
    call_id TEXT NOT NULL,
    call_type TEXT NOT NULL,
    route TEXT NOT NULL,
    api_key TEXT NOT NULL,
    key_alias TEXT,
    user_id TEXT,
    team_id TEXT,
    team_alias TEXT,
    organization_id TEXT,
    customer TEXT,
    tags TEXT,
    session_id TEXT,
    ip TEXT,
    requested_model TEXT NOT NULL,
    model_group TEXT,
    model TEXT,
    model_id TEXT,
    provider TEXT,
    api_base TEXT,
    status TEXT NOT NULL,
    http_status BIGINT NOT NULL,
    outcome TEXT NOT NULL,
    error_class TEXT,
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
    usage_source TEXT NOT NULL,
    cost BIGINT NOT NULL,
    price_version BIGINT,
    priced BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    first_token_ms BIGINT,
    ended_ms BIGINT NOT NULL,
    charges TEXT,
    request TEXT,
    response TEXT
);
CREATE INDEX tollgate_usage_request_id ON tollgate_usage (request_id);
CREATE INDEX tollgate_usage_api_key ON tollgate_usage (api_key, id);
CREATE INDEX tollgate_usage_user_id ON tollgate_usage (user_id, id) WHERE user_id IS NOT NULL;
CREATE INDEX tollgate_usage_team_id ON tollgate_usage (team_id, id) WHERE team_id IS NOT NULL;
CREATE INDEX tollgate_usage_customer ON tollgate_usage (customer, id) WHERE customer IS NOT NULL;
CREATE INDEX tollgate_usage_session_id ON tollgate_usage (session_id, id) WHERE session_id IS NOT NULL;

-- the upstream calls of a call, counted from 1
CREATE TABLE tollgate_attempt (
    usage_id TEXT NOT NULL,
    n BIGINT NOT NULL,
    model_id TEXT NOT NULL,
    http_status BIGINT NOT NULL,
    failure TEXT,
    duration_us BIGINT NOT NULL,
    PRIMARY KEY (usage_id, n)
) WITHOUT ROWID;

-- Sums by hour (2026-11-21T05, UTC). The id is the hour and a digest of what follows; what is not known is empty.
CREATE TABLE tollgate_usage_hour (
    id TEXT NOT NULL PRIMARY KEY,
    hour TEXT NOT NULL,
    api_key TEXT NOT NULL,
    user_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    customer TEXT NOT NULL,
    model TEXT NOT NULL,
    model_group TEXT NOT NULL,
    provider TEXT NOT NULL,
    route TEXT NOT NULL,
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
    id TEXT NOT NULL PRIMARY KEY,
    day TEXT NOT NULL,
    api_key TEXT NOT NULL,
    user_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    customer TEXT NOT NULL,
    model TEXT NOT NULL,
    model_group TEXT NOT NULL,
    provider TEXT NOT NULL,
    route TEXT NOT NULL,
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
    id TEXT NOT NULL PRIMARY KEY,
    day TEXT NOT NULL,
    tag TEXT NOT NULL,
    api_key TEXT NOT NULL,
    user_id TEXT NOT NULL,
    team_id TEXT NOT NULL,
    organization_id TEXT NOT NULL,
    customer TEXT NOT NULL,
    model TEXT NOT NULL,
    model_group TEXT NOT NULL,
    provider TEXT NOT NULL,
    route TEXT NOT NULL,
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

CREATE VIEW IF NOT EXISTS "LiteLLM_SpendLogs" AS SELECT
    request_id AS "request_id",
    call_type AS "call_type",
    api_key AS "api_key",
    (cost) / 1e12 AS "spend",
    total_tokens AS "total_tokens",
    prompt_tokens AS "prompt_tokens",
    completion_tokens AS "completion_tokens",
    strftime('%Y-%m-%d %H:%M:%f', started_ms / 1000.0, 'unixepoch') AS "startTime",
    strftime('%Y-%m-%d %H:%M:%f', ended_ms / 1000.0, 'unixepoch') AS "endTime",
    strftime('%Y-%m-%d %H:%M:%f', COALESCE(first_token_ms, ended_ms) / 1000.0, 'unixepoch') AS "completionStartTime",
    ended_ms - started_ms AS "request_duration_ms",
    COALESCE(model, requested_model) AS "model",
    COALESCE(model_id, '') AS "model_id",
    COALESCE(model_group, '') AS "model_group",
    COALESCE(provider, '') AS "custom_llm_provider",
    COALESCE(api_base, '') AS "api_base",
    COALESCE(user_id, '') AS "user",
    json_object('user_api_key', api_key, 'user_api_key_alias', key_alias, 'user_api_key_user_id', user_id, 'user_api_key_team_id', team_id, 'user_api_key_team_alias', team_alias, 'user_api_key_org_id', organization_id, 'requester_ip_address', ip, 'status', status, 'attempted_retries', MAX(attempts - 1, 0), 'usage_object', json_object('prompt_tokens', prompt_tokens, 'completion_tokens', completion_tokens, 'total_tokens', total_tokens), 'additional_usage_values', json_object('cache_read_input_tokens', cached_tokens, 'cache_creation_input_tokens', cache_write_tokens, 'reasoning_tokens', reasoning_tokens), 'error_information', CASE WHEN status = 'failure' THEN json_object('error_code', CAST(http_status AS TEXT), 'error_class', COALESCE(error_class, outcome)) END) AS "metadata",
    'None' AS "cache_hit",
    'Cache OFF' AS "cache_key",
    COALESCE(tags, '[]') AS "request_tags",
    COALESCE(team_id, '') AS "team_id",
    COALESCE(organization_id, '') AS "organization_id",
    COALESCE(customer, '') AS "end_user",
    ip AS "requester_ip_address",
    '{}' AS "messages",
    COALESCE(response, '{}') AS "response",
    COALESCE(request, '{}') AS "proxy_server_request",
    COALESCE(session_id, call_id) AS "session_id",
    status AS "status",
    NULL AS "mcp_namespaced_tool_name",
    NULL AS "agent_id"
FROM tollgate_usage;

CREATE VIEW IF NOT EXISTS "LiteLLM_VerificationToken" AS SELECT
    e.id AS "token",
    doc ->> 'key_name' AS "key_name",
    doc ->> 'key_alias' AS "key_alias",
    doc ->> 'soft_budget_cooldown' AS "soft_budget_cooldown",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (unixepoch() * 1000) THEN 0 ELSE COALESCE(s.spent, 0) END) / 1e12 AS "spend",
    doc ->> 'expires' AS "expires",
    COALESCE(doc -> 'models', '[]') AS "models",
    COALESCE(doc -> 'aliases', '{}') AS "aliases",
    COALESCE(doc -> 'config', '{}') AS "config",
    COALESCE(doc -> 'router_settings', '{}') AS "router_settings",
    doc ->> 'user_id' AS "user_id",
    doc ->> 'team_id' AS "team_id",
    doc ->> 'agent_id' AS "agent_id",
    doc ->> 'project_id' AS "project_id",
    COALESCE(doc -> 'permissions', '{}') AS "permissions",
    COALESCE(doc -> 'metadata', '{}') AS "metadata",
    doc ->> 'blocked' AS "blocked",
    doc ->> 'tpm_limit' AS "tpm_limit",
    doc ->> 'rpm_limit' AS "rpm_limit",
    doc ->> 'max_parallel_requests' AS "max_parallel_requests",
    doc ->> 'max_budget' AS "max_budget",
    doc ->> 'budget_duration' AS "budget_duration",
    doc ->> 'budget_reset_at' AS "budget_reset_at",
    COALESCE(doc -> 'allowed_cache_controls', '[]') AS "allowed_cache_controls",
    COALESCE(doc -> 'allowed_routes', '[]') AS "allowed_routes",
    COALESCE(doc -> 'policies', '[]') AS "policies",
    COALESCE(doc -> 'access_group_ids', '[]') AS "access_group_ids",
    COALESCE(doc -> 'model_spend', '{}') AS "model_spend",
    COALESCE(doc -> 'model_max_budget', '{}') AS "model_max_budget",
    doc ->> 'budget_id' AS "budget_id",
    doc ->> 'organization_id' AS "organization_id",
    doc ->> 'object_permission_id' AS "object_permission_id",
    doc ->> 'created_at' AS "created_at",
    doc ->> 'created_by' AS "created_by",
    doc ->> 'updated_at' AS "updated_at",
    doc ->> 'updated_by' AS "updated_by",
    doc ->> 'last_active' AS "last_active",
    COALESCE(doc -> 'budget_limits', '[]') AS "budget_limits"
FROM tollgate_key e LEFT JOIN tollgate_spend s ON s.scope = 'key' AND s.id = e.id AND s.slot = '';

CREATE VIEW IF NOT EXISTS "LiteLLM_UserTable" AS SELECT
    e.id AS "user_id",
    doc ->> 'user_alias' AS "user_alias",
    doc ->> 'team_id' AS "team_id",
    doc ->> 'sso_user_id' AS "sso_user_id",
    doc ->> 'organization_id' AS "organization_id",
    NULL AS "password",
    COALESCE(doc -> 'teams', '[]') AS "teams",
    doc ->> 'user_role' AS "user_role",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (unixepoch() * 1000) THEN 0 ELSE COALESCE(s.spent, 0) END) / 1e12 AS "spend",
    doc ->> 'user_email' AS "user_email",
    COALESCE(doc -> 'models', '[]') AS "models",
    COALESCE(doc -> 'metadata', '{}') AS "metadata",
    doc ->> 'tpm_limit' AS "tpm_limit",
    doc ->> 'rpm_limit' AS "rpm_limit",
    doc ->> 'max_parallel_requests' AS "max_parallel_requests",
    doc ->> 'max_budget' AS "max_budget",
    doc ->> 'budget_duration' AS "budget_duration",
    doc ->> 'budget_reset_at' AS "budget_reset_at",
    COALESCE(doc -> 'allowed_cache_controls', '[]') AS "allowed_cache_controls",
    COALESCE(doc -> 'model_spend', '{}') AS "model_spend",
    COALESCE(doc -> 'model_max_budget', '{}') AS "model_max_budget",
    doc ->> 'created_at' AS "created_at",
    doc ->> 'updated_at' AS "updated_at"
FROM tollgate_user e LEFT JOIN tollgate_spend s ON s.scope = 'user' AND s.id = e.id AND s.slot = '';

CREATE VIEW IF NOT EXISTS "LiteLLM_TeamTable" AS SELECT
    e.id AS "team_id",
    doc ->> 'team_alias' AS "team_alias",
    doc ->> 'organization_id' AS "organization_id",
    COALESCE(doc -> 'admins', '[]') AS "admins",
    COALESCE(doc -> 'members', '[]') AS "members",
    COALESCE(doc -> 'members_with_roles', '[]') AS "members_with_roles",
    COALESCE(doc -> 'metadata', '{}') AS "metadata",
    doc ->> 'soft_budget' AS "soft_budget",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (unixepoch() * 1000) THEN 0 ELSE COALESCE(s.spent, 0) END) / 1e12 AS "spend",
    COALESCE(doc -> 'models', '[]') AS "models",
    doc ->> 'blocked' AS "blocked",
    doc ->> 'tpm_limit' AS "tpm_limit",
    doc ->> 'rpm_limit' AS "rpm_limit",
    doc ->> 'max_parallel_requests' AS "max_parallel_requests",
    doc ->> 'max_budget' AS "max_budget",
    doc ->> 'budget_duration' AS "budget_duration",
    doc ->> 'budget_reset_at' AS "budget_reset_at",
    COALESCE(doc -> 'model_spend', '{}') AS "model_spend",
    COALESCE(doc -> 'model_max_budget', '{}') AS "model_max_budget",
    COALESCE(doc -> 'router_settings', '{}') AS "router_settings",
    COALESCE(doc -> 'team_member_permissions', '[]') AS "team_member_permissions",
    doc ->> 'created_at' AS "created_at",
    doc ->> 'updated_at' AS "updated_at"
FROM tollgate_team e LEFT JOIN tollgate_spend s ON s.scope = 'team' AND s.id = e.id AND s.slot = '';

CREATE VIEW IF NOT EXISTS "LiteLLM_TeamMembership" AS SELECT
    doc ->> 'user_id' AS "user_id",
    doc ->> 'team_id' AS "team_id",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (unixepoch() * 1000) THEN 0 ELSE COALESCE(s.spent, 0) END) / 1e12 AS "spend",
    doc ->> 'budget_id' AS "budget_id"
FROM tollgate_member e LEFT JOIN tollgate_spend s ON s.scope = 'member' AND s.id = e.id AND s.slot = '';

CREATE VIEW IF NOT EXISTS "LiteLLM_EndUserTable" AS SELECT
    e.id AS "user_id",
    doc ->> 'alias' AS "alias",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (unixepoch() * 1000) THEN 0 ELSE COALESCE(s.spent, 0) END) / 1e12 AS "spend",
    doc ->> 'allowed_model_region' AS "allowed_model_region",
    doc ->> 'default_model' AS "default_model",
    doc ->> 'budget_id' AS "budget_id",
    doc ->> 'blocked' AS "blocked"
FROM tollgate_customer e LEFT JOIN tollgate_spend s ON s.scope = 'customer' AND s.id = e.id AND s.slot = '';

CREATE VIEW IF NOT EXISTS "LiteLLM_OrganizationTable" AS SELECT
    e.id AS "organization_id",
    doc ->> 'organization_alias' AS "organization_alias",
    doc ->> 'budget_id' AS "budget_id",
    COALESCE(doc -> 'metadata', '{}') AS "metadata",
    COALESCE(doc -> 'models', '[]') AS "models",
    (CASE WHEN s.period_end <> 0 AND s.period_end <= (unixepoch() * 1000) THEN 0 ELSE COALESCE(s.spent, 0) END) / 1e12 AS "spend",
    COALESCE(doc -> 'model_spend', '{}') AS "model_spend",
    doc ->> 'created_at' AS "created_at",
    doc ->> 'created_by' AS "created_by",
    doc ->> 'updated_at' AS "updated_at",
    doc ->> 'updated_by' AS "updated_by"
FROM tollgate_organization e LEFT JOIN tollgate_spend s ON s.scope = 'organization' AND s.id = e.id AND s.slot = '';

CREATE VIEW IF NOT EXISTS "LiteLLM_BudgetTable" AS SELECT
    e.id AS "budget_id",
    doc ->> 'soft_budget' AS "soft_budget",
    COALESCE(doc -> 'model_max_budget', '{}') AS "model_max_budget",
    doc ->> 'tpm_limit' AS "tpm_limit",
    doc ->> 'rpm_limit' AS "rpm_limit",
    doc ->> 'max_parallel_requests' AS "max_parallel_requests",
    doc ->> 'max_budget' AS "max_budget",
    doc ->> 'budget_duration' AS "budget_duration",
    doc ->> 'budget_reset_at' AS "budget_reset_at",
    doc ->> 'created_at' AS "created_at",
    doc ->> 'created_by' AS "created_by",
    doc ->> 'updated_at' AS "updated_at",
    doc ->> 'updated_by' AS "updated_by"
FROM tollgate_budget e;

CREATE VIEW IF NOT EXISTS "LiteLLM_DailyUserSpend" AS SELECT
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
    (cost) / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_day;

CREATE VIEW IF NOT EXISTS "LiteLLM_DailyTeamSpend" AS SELECT
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
    (cost) / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_day WHERE team_id <> '';

CREATE VIEW IF NOT EXISTS "LiteLLM_DailyOrganizationSpend" AS SELECT
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
    (cost) / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_day WHERE organization_id <> '';

CREATE VIEW IF NOT EXISTS "LiteLLM_DailyEndUserSpend" AS SELECT
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
    (cost) / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_day WHERE customer <> '';

CREATE VIEW IF NOT EXISTS "LiteLLM_DailyTagSpend" AS SELECT
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
    (cost) / 1e12 AS "spend",
    requests AS "api_requests",
    successes AS "successful_requests",
    failures AS "failed_requests"
FROM tollgate_usage_tag_day;

CREATE VIEW IF NOT EXISTS "MonthlyGlobalSpend" AS SELECT
    day AS "date",
    (SUM(cost)) / 1e12 AS "spend"
FROM tollgate_usage_day WHERE id >= strftime('%Y-%m-%d', 'now', '-30 days') GROUP BY day;

CREATE VIEW IF NOT EXISTS "MonthlyGlobalSpendPerKey" AS SELECT
    day AS "date",
    (SUM(cost)) / 1e12 AS "spend",
    api_key AS "api_key"
FROM tollgate_usage_day WHERE id >= strftime('%Y-%m-%d', 'now', '-30 days') GROUP BY day, api_key;

CREATE VIEW IF NOT EXISTS "MonthlyGlobalSpendPerUserPerKey" AS SELECT
    day AS "date",
    (SUM(cost)) / 1e12 AS "spend",
    api_key AS "api_key",
    user_id AS "user"
FROM tollgate_usage_day WHERE id >= strftime('%Y-%m-%d', 'now', '-30 days') GROUP BY day, api_key, user_id;

CREATE VIEW IF NOT EXISTS "Last30dKeysBySpend" AS SELECT
    u.api_key AS "api_key",
    k.doc ->> 'key_alias' AS "key_alias",
    k.doc ->> 'key_name' AS "key_name",
    u.total_spend AS "total_spend"
FROM (SELECT api_key, (SUM(cost)) / 1e12 AS total_spend FROM tollgate_usage_day WHERE id >= strftime('%Y-%m-%d', 'now', '-30 days') GROUP BY api_key) u LEFT JOIN tollgate_key k ON k.id = u.api_key ORDER BY u.total_spend DESC;

CREATE VIEW IF NOT EXISTS "Last30dModelsBySpend" AS SELECT
    model AS "model",
    (SUM(cost)) / 1e12 AS "total_spend"
FROM tollgate_usage_day WHERE id >= strftime('%Y-%m-%d', 'now', '-30 days') AND model <> '' GROUP BY model ORDER BY 2 DESC;

CREATE VIEW IF NOT EXISTS "Last30dTopEndUsersSpend" AS SELECT
    customer AS "end_user",
    SUM(requests) AS "total_events",
    (SUM(cost)) / 1e12 AS "total_spend"
FROM tollgate_usage_day WHERE id >= strftime('%Y-%m-%d', 'now', '-30 days') AND customer <> '' GROUP BY customer ORDER BY 3 DESC LIMIT 100;

CREATE VIEW IF NOT EXISTS "DailyTagSpend" AS SELECT
    tag AS "individual_request_tag",
    day AS "spend_date",
    SUM(requests) AS "log_count",
    (SUM(cost)) / 1e12 AS "total_spend"
FROM tollgate_usage_tag_day GROUP BY tag, day;
