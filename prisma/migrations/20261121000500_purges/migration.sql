-- New epochs: a topic is purged in one short transaction, however many messages it has.
--
-- A purge gives the topic another id, under which it has no messages, consumers or snapshot. What is
-- left under the old id belongs to nobody; it is deleted in small batches afterwards.

CREATE TABLE "carillon"."purges" (
    "topic_id" INTEGER NOT NULL,  -- an id that the topic has no longer
    "swept" BIGINT NOT NULL DEFAULT 0, -- everything up to this sequence is deleted
    "purged_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "purges_pkey" PRIMARY KEY ("topic_id")
);

CREATE FUNCTION "carillon"."carillon_random_epoch"()
RETURNS TEXT
LANGUAGE sql
VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
    SELECT left(replace(gen_random_uuid()::text, '-', ''), 12);
$$;

-- Purges a topic, unless it is empty or its epoch is not the expected one: a purge that is sent again
-- does not remove what has come since. Answers whether it did. Who publishes meanwhile waits for the
-- head, and gets sequence 1 of the new epoch.
CREATE FUNCTION "carillon"."carillon_purge"(topic TEXT, expected_epoch TEXT)
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
    SET id = DEFAULT, epoch = carillon.carillon_random_epoch(), head = 0, tail = 1, created_at = DEFAULT
    WHERE t.id = purged.id;
    RETURN true;
END;
$$;

-- Deletes some of what a purge left behind. Answers how many messages, or NULL where nothing is left
-- that another session is not at already.
CREATE FUNCTION "carillon"."carillon_sweep"(batch INTEGER)
RETURNS INTEGER
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
DECLARE
    purge carillon.purges;
    reached BIGINT;
    deleted INTEGER;
BEGIN
    SELECT p.* INTO purge FROM carillon.purges p ORDER BY p.topic_id LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    -- From where the last batch ended: the index still has the entries of what was deleted.
    SELECT max(s.sequence), count(*) INTO reached, deleted
    FROM (
        SELECT m.sequence FROM carillon.messages m
        WHERE m.topic_id = purge.topic_id AND m.sequence > purge.swept
        ORDER BY m.sequence LIMIT batch
    ) s;
    IF deleted > 0 THEN
        DELETE FROM carillon.messages m
        WHERE m.topic_id = purge.topic_id AND m.sequence > purge.swept AND m.sequence <= reached;
    END IF;
    IF deleted = batch THEN
        UPDATE carillon.purges p SET swept = reached WHERE p.topic_id = purge.topic_id;
    ELSE
        DELETE FROM carillon.consumers c WHERE c.topic_id = purge.topic_id;
        DELETE FROM carillon.snapshots s WHERE s.topic_id = purge.topic_id;
        DELETE FROM carillon.purges p WHERE p.topic_id = purge.topic_id;
    END IF;
    RETURN deleted;
END;
$$;

-- For operators, right after an older dump was restored and before servers use it: what was published
-- since the dump is gone, and its sequences will be given out again. Under a new epoch they are not
-- taken for those that clients and servers have seen.
CREATE FUNCTION "carillon"."carillon_new_epochs"()
RETURNS TEXT
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fresh CONSTANT TEXT := carillon.carillon_random_epoch();
BEGIN
    UPDATE carillon.origin SET epoch = fresh;
    UPDATE carillon.topics SET epoch = fresh;
    RETURN fresh;
END;
$$;
