-- What the retention looks for: messages that have expired, and who has acknowledged in a topic.

CREATE INDEX "messages_expires_at" ON "carillon"."messages"("expires_at")
    WHERE "expires_at" IS NOT NULL;

-- Without "acked": an index on it would have to be written by every acknowledgement.
CREATE INDEX "consumers_topic_id" ON "carillon"."consumers"("topic_id");
