-- Topics, their messages, and the consumers that acknowledge them.
-- Names compare by byte ("C"), whatever the locale of the database: lock order, prefix scans and
-- topic listings depend on it.

CREATE SCHEMA IF NOT EXISTS "carillon";

CREATE TABLE "carillon"."origin" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "epoch" TEXT NOT NULL,

    CONSTRAINT "origin_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "origin_is_one_row" CHECK ("id" = 1)
);

INSERT INTO "carillon"."origin" ("epoch")
VALUES (left(replace(gen_random_uuid()::text, '-', ''), 12));

CREATE TABLE "carillon"."topics" (
    "id" SERIAL NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "epoch" TEXT NOT NULL,
    "head" BIGINT NOT NULL DEFAULT 0,
    "tail" BIGINT NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "topics_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 50); -- room for the head row's next version on its own page

CREATE UNIQUE INDEX "topics_name_key" ON "carillon"."topics"("name");

-- No foreign key to topics: the head's row lock already orders every insert, and a check a row
-- would cost as much as the insert.
CREATE TABLE "carillon"."messages" (
    "topic_id" INTEGER NOT NULL,
    "sequence" BIGINT NOT NULL,
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

    CONSTRAINT "messages_pkey" PRIMARY KEY ("topic_id", "sequence")
);

CREATE INDEX "messages_from" ON "carillon"."messages"("topic_id", "from_user", "sequence");
CREATE INDEX "messages_type" ON "carillon"."messages"("topic_id", "type", "sequence");
CREATE UNIQUE INDEX "messages_idempotency_key" ON "carillon"."messages"("topic_id", "idempotency_key")
    WHERE "idempotency_key" IS NOT NULL;

CREATE TABLE "carillon"."consumers" (
    "user_id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT COLLATE "C" NOT NULL,
    "topic_id" INTEGER NOT NULL,
    "acked" BIGINT NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "consumers_pkey" PRIMARY KEY ("user_id", "name", "topic_id")
);
