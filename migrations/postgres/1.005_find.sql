-- SQLite finds calls another way from here on; the indexes of Postgres stay as they are.
SELECT 1;
