-- What was brought over from LiteLLM, as it was then: whoever finds it different later knows which side changed it.
-- kind and id are those of the entity; amount (pico-dollars) and period_end (unix milliseconds, 0 without a period) are
-- what LiteLLM had counted.
CREATE TABLE tollgate_import (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    digest TEXT NOT NULL,
    amount BIGINT NOT NULL,
    period_end BIGINT NOT NULL,
    PRIMARY KEY (kind, id)
);
