-- Where single calls are found by something else than their time. An index that is changed with each call would touch a page
-- for each, so the newest calls have none: they are few, and looked through. Of those before them a span of some
-- thousands is entered at once, sorted, behind all that is there. A span ends before the id `next`; what is at or
-- after the last one's end is not entered yet. A hash is that of a column and its value.
CREATE TABLE tollgate_usage_span (
    span INTEGER NOT NULL PRIMARY KEY,
    next TEXT NOT NULL
);
CREATE TABLE tollgate_usage_find (
    span INTEGER NOT NULL,
    hash INTEGER NOT NULL,
    id TEXT NOT NULL,
    PRIMARY KEY (span, hash, id)
) WITHOUT ROWID;
DROP INDEX IF EXISTS tollgate_usage_request_id;
DROP INDEX IF EXISTS tollgate_usage_api_key;
DROP INDEX IF EXISTS tollgate_usage_user_id;
DROP INDEX IF EXISTS tollgate_usage_team_id;
DROP INDEX IF EXISTS tollgate_usage_customer;
DROP INDEX IF EXISTS tollgate_usage_session_id;
