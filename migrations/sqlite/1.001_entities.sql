-- Entities are documents in LiteLLM's shapes; what is searched or sorted by is a column made from them.

-- one row a virtual key; id = sha256 of the key in hex
CREATE TABLE tollgate_key (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    key_alias TEXT GENERATED ALWAYS AS (doc ->> 'key_alias') STORED,
    key_name TEXT GENERATED ALWAYS AS (doc ->> 'key_name') STORED,
    user_id TEXT GENERATED ALWAYS AS (doc ->> 'user_id') STORED,
    team_id TEXT GENERATED ALWAYS AS (doc ->> 'team_id') STORED,
    organization_id TEXT GENERATED ALWAYS AS (doc ->> 'organization_id') STORED,
    budget_id TEXT GENERATED ALWAYS AS (doc ->> 'budget_id') STORED,
    created_by TEXT GENERATED ALWAYS AS (doc ->> 'created_by') STORED,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED,
    expires TEXT GENERATED ALWAYS AS (doc ->> 'expires') STORED
);
CREATE UNIQUE INDEX tollgate_key_key_alias ON tollgate_key (key_alias) WHERE key_alias IS NOT NULL;
CREATE INDEX tollgate_key_key_name ON tollgate_key (key_name);
CREATE INDEX tollgate_key_user_id ON tollgate_key (user_id);
CREATE INDEX tollgate_key_team_id ON tollgate_key (team_id);
CREATE INDEX tollgate_key_organization_id ON tollgate_key (organization_id);
CREATE INDEX tollgate_key_budget_id ON tollgate_key (budget_id);
CREATE INDEX tollgate_key_created_by ON tollgate_key (created_by);
CREATE INDEX tollgate_key_created_at ON tollgate_key (created_at);
CREATE INDEX tollgate_key_expires ON tollgate_key (expires);

-- internal users
CREATE TABLE tollgate_user (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    user_email TEXT GENERATED ALWAYS AS (doc ->> 'user_email') STORED,
    user_alias TEXT GENERATED ALWAYS AS (doc ->> 'user_alias') STORED,
    user_role TEXT GENERATED ALWAYS AS (doc ->> 'user_role') STORED,
    sso_user_id TEXT GENERATED ALWAYS AS (doc ->> 'sso_user_id') STORED,
    organization_id TEXT GENERATED ALWAYS AS (doc ->> 'organization_id') STORED,
    budget_id TEXT GENERATED ALWAYS AS (doc ->> 'budget_id') STORED,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_user_user_email ON tollgate_user (user_email);
CREATE INDEX tollgate_user_user_alias ON tollgate_user (user_alias);
CREATE INDEX tollgate_user_user_role ON tollgate_user (user_role);
CREATE INDEX tollgate_user_sso_user_id ON tollgate_user (sso_user_id);
CREATE INDEX tollgate_user_organization_id ON tollgate_user (organization_id);
CREATE INDEX tollgate_user_budget_id ON tollgate_user (budget_id);
CREATE INDEX tollgate_user_created_at ON tollgate_user (created_at);

-- teams
CREATE TABLE tollgate_team (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    team_alias TEXT GENERATED ALWAYS AS (doc ->> 'team_alias') STORED,
    organization_id TEXT GENERATED ALWAYS AS (doc ->> 'organization_id') STORED,
    budget_id TEXT GENERATED ALWAYS AS (doc ->> 'budget_id') STORED,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_team_team_alias ON tollgate_team (team_alias);
CREATE INDEX tollgate_team_organization_id ON tollgate_team (organization_id);
CREATE INDEX tollgate_team_budget_id ON tollgate_team (budget_id);
CREATE INDEX tollgate_team_created_at ON tollgate_team (created_at);

-- team memberships; id = user, a newline, team
CREATE TABLE tollgate_member (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    user_id TEXT GENERATED ALWAYS AS (doc ->> 'user_id') STORED,
    team_id TEXT GENERATED ALWAYS AS (doc ->> 'team_id') STORED,
    budget_id TEXT GENERATED ALWAYS AS (doc ->> 'budget_id') STORED,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_member_user_id ON tollgate_member (user_id);
CREATE INDEX tollgate_member_team_id ON tollgate_member (team_id);
CREATE INDEX tollgate_member_budget_id ON tollgate_member (budget_id);
CREATE INDEX tollgate_member_created_at ON tollgate_member (created_at);

-- end users of the clients
CREATE TABLE tollgate_customer (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    alias TEXT GENERATED ALWAYS AS (doc ->> 'alias') STORED,
    budget_id TEXT GENERATED ALWAYS AS (doc ->> 'budget_id') STORED,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_customer_alias ON tollgate_customer (alias);
CREATE INDEX tollgate_customer_budget_id ON tollgate_customer (budget_id);
CREATE INDEX tollgate_customer_created_at ON tollgate_customer (created_at);

-- organizations
CREATE TABLE tollgate_organization (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    organization_alias TEXT GENERATED ALWAYS AS (doc ->> 'organization_alias') STORED,
    budget_id TEXT GENERATED ALWAYS AS (doc ->> 'budget_id') STORED,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_organization_organization_alias ON tollgate_organization (organization_alias);
CREATE INDEX tollgate_organization_budget_id ON tollgate_organization (budget_id);
CREATE INDEX tollgate_organization_created_at ON tollgate_organization (created_at);

-- budgets that other rows name
CREATE TABLE tollgate_budget (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_budget_created_at ON tollgate_budget (created_at);

-- deployments kept here, besides those of the configuration
CREATE TABLE tollgate_model (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    model_name TEXT GENERATED ALWAYS AS (doc ->> 'model_name') STORED,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_model_model_name ON tollgate_model (model_name);
CREATE INDEX tollgate_model_created_at ON tollgate_model (created_at);

-- named credentials, encrypted
CREATE TABLE tollgate_credential (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL,
    created_at TEXT GENERATED ALWAYS AS (doc ->> 'created_at') STORED
);
CREATE INDEX tollgate_credential_created_at ON tollgate_credential (created_at);

-- settings changed at run time
CREATE TABLE tollgate_setting (
    id TEXT NOT NULL PRIMARY KEY,
    doc TEXT NOT NULL,
    version BIGINT NOT NULL
);

-- keys that were replaced and still work for a while (unix milliseconds)
CREATE TABLE tollgate_retired_key (
    id TEXT NOT NULL PRIMARY KEY,
    successor TEXT NOT NULL,
    until_ms BIGINT NOT NULL
);

-- Money spent, in pico-dollars, by whom and in which period: the counters that budgets are compared with.
-- period_end is unix milliseconds, 0 for a counter without a period.
CREATE TABLE tollgate_spend (
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    slot TEXT NOT NULL,
    period_end BIGINT NOT NULL,
    spent BIGINT NOT NULL,
    PRIMARY KEY (scope, id, slot)
);
CREATE INDEX tollgate_spend_spent ON tollgate_spend (scope, slot, spent);

-- What changed lately, so that other processes forget what they know of it.
CREATE TABLE tollgate_change (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms BIGINT NOT NULL,
    kind TEXT NOT NULL,
    id TEXT NOT NULL
);
CREATE INDEX tollgate_change_at_ms ON tollgate_change (at_ms);
