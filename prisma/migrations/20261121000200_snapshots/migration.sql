-- Consolidated state of topics, to start from instead of replaying everything: the newest of each.

CREATE TABLE "carillon"."snapshots" (
    "topic_id" INTEGER NOT NULL,
    "sequence" BIGINT NOT NULL,
    "state" JSON NOT NULL,
    "saved_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "snapshots_pkey" PRIMARY KEY ("topic_id")
);
