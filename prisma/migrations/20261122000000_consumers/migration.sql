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
