-- How far a retention has come in a topic: below this sequence nothing is stored any more. So it does not look there
-- again: what was deleted stays in the index until a vacuum, which an old transaction holds up.

ALTER TABLE "carillon"."topics" ADD COLUMN "swept" BIGINT NOT NULL DEFAULT 1;

-- As before, but for "swept".
CREATE OR REPLACE FUNCTION "carillon"."carillon_purge"(topic TEXT, expected_epoch TEXT)
RETURNS BOOLEAN
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    purged carillon.topics;
BEGIN
    SELECT t.* INTO purged FROM carillon.topics t WHERE t.name = topic FOR UPDATE;
    IF NOT FOUND OR purged.head = 0 OR purged.epoch <> expected_epoch THEN
        RETURN false;
    END IF;
    INSERT INTO carillon.purges (topic_id) VALUES (purged.id);
    UPDATE carillon.topics t
    SET id = DEFAULT, epoch = carillon.carillon_random_epoch(), head = 0, tail = 1, swept = 1,
        created_at = DEFAULT
    WHERE t.id = purged.id;
    RETURN true;
END;
$$;
