-- Where many calls of a span have a hash, one entry stands for some of them: `more` are their ids, in order, as a JSON
-- list that begins with `id`. Without it, `id` is the only one.
ALTER TABLE tollgate_seek ADD COLUMN more TEXT;
