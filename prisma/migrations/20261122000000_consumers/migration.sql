-- What durable consumers need besides their place: who handles which topic, and what could not be handled.
-- Topics are known by their id: what belongs to a purged topic is nobody's from then on.

-- The processes that run a consumer. They share the topics of those who run it with the same topics.
CREATE TABLE "carillon"."consumer_members" (
    "user_id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "holder" TEXT COLLATE "C" NOT NULL,
    "topics" TEXT COLLATE "C" NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "consumer_members_pkey" PRIMARY KEY ("user_id", "name", "holder")
);

-- Which of them handles a topic, until it does not renew the lease in time. By the database's clock.
CREATE TABLE "carillon"."consumer_leases" (
    "user_id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "topic_id" INTEGER NOT NULL,
    "holder" TEXT COLLATE "C" NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "consumer_leases_pkey" PRIMARY KEY ("user_id", "name", "topic_id")
) WITH (fillfactor = 50); -- room for renewals on the row's own page

-- Messages that a consumer could not handle. Each has a copy of its message: it outlives the retention.
CREATE TABLE "carillon"."dead_letters" (
    "user_id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "topic_id" INTEGER NOT NULL,
    "sequence" BIGINT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "error" TEXT NOT NULL,
    "failed_at" TIMESTAMPTZ(3) NOT NULL,
    "replayed_at" TIMESTAMPTZ(3), -- since then it waits to be handled again
    "type" TEXT COLLATE "C" NOT NULL,
    "payload" JSON NOT NULL,
    "metadata" JSON,
    "encrypted" BOOLEAN NOT NULL,
    "from_user" TEXT COLLATE "C" NOT NULL,
    "client_id" TEXT COLLATE "C",
    "to_users" TEXT[] COLLATE "C",
    "idempotency_key" TEXT COLLATE "C",
    "published_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3),

    CONSTRAINT "dead_letters_pkey" PRIMARY KEY ("user_id", "topic_id", "sequence", "name")
);

CREATE INDEX "dead_letters_replayed" ON "carillon"."dead_letters"("user_id", "name", "topic_id", "sequence")
    WHERE "replayed_at" IS NOT NULL;

-- As before, and what consumers have of a purged topic goes along.
CREATE OR REPLACE FUNCTION "carillon"."carillon_sweep"(batch INTEGER)
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
        DELETE FROM carillon.consumer_leases l WHERE l.topic_id = purge.topic_id;
        DELETE FROM carillon.dead_letters d WHERE d.topic_id = purge.topic_id;
        DELETE FROM carillon.snapshots s WHERE s.topic_id = purge.topic_id;
        DELETE FROM carillon.purges p WHERE p.topic_id = purge.topic_id;
    END IF;
    RETURN deleted;
END;
$$;
