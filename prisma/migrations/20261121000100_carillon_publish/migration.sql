-- carillon_publish: appends a batch of messages in one round trip.
--
-- Each position of the arrays is one message. Messages with the same unit (ascending) are all or
-- nothing; a unit that fails leaves its neighbours alone. Arrays that no message of the batch uses
-- (metadata, client_ids, recipients, idempotency_keys, ttls, expected_heads) may be NULL.
--
-- The heads stay locked until the commit of the caller's transaction, so sequences are gapless
-- and in commit order. Heads are created, then locked, each in name order: two batches
-- never wait for one another in a circle.
--
-- Answers one row a message: its place in the arrays, and as outcome
--   new                   stored with `sequence`
--   duplicate             its key had been published with the same content: the other columns
--                         are those of the first message
--   idempotency_conflict  its key had been published with other content or by another user
--   sequence_conflict     the topic's head, in `sequence`, was not the expected one
--   aborted               another message of its unit failed

-- Decides the outcomes of a batch that has idempotency keys or expected heads. Called with the
-- heads locked.
CREATE FUNCTION "carillon"."carillon_judge"(
    units INTEGER[],
    topics TEXT[],
    types TEXT[],
    payloads TEXT[],
    metadata TEXT[],
    encrypted BOOLEAN[],
    from_users TEXT[],
    recipients TEXT[],
    idempotency_keys TEXT[],
    expected_heads BIGINT[],
    OUT outcomes TEXT[],
    OUT seen_heads BIGINT[]
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    size CONSTANT INTEGER := cardinality(topics);
    topic_slots INTEGER[]; -- for each message: the first message of the batch in the same topic
    key_slots INTEGER[];   -- likewise with the same topic and key; NULL without a key
    stored TEXT[];         -- what the log has under its topic and key: same, other, or NULL
    heads BIGINT[];        -- by topic slot, as the loop goes on
    holders INTEGER[];     -- by key slot: the message of this batch that took the key, or 0
    unit_start INTEGER := 1;
    unit_end INTEGER;
    failed_at INTEGER;
    holder INTEGER;
BEGIN
    SELECT array_agg(placed.topic_slot ORDER BY placed.ordinal),
           array_agg(placed.key_slot ORDER BY placed.ordinal),
           array_agg(placed.head ORDER BY placed.ordinal),
           array_agg(placed.stored ORDER BY placed.ordinal)
    INTO topic_slots, key_slots, heads, stored
    FROM (
        SELECT i.ordinal,
               min(i.ordinal) OVER (PARTITION BY i.topic) AS topic_slot,
               CASE WHEN i.key IS NOT NULL
                    THEN min(i.ordinal) OVER (PARTITION BY i.topic, i.key) END AS key_slot,
               t.head,
               CASE WHEN m.type IS NULL THEN NULL
                    WHEN m.payload::text = i.payload
                     AND m.type = i.type
                     AND m.metadata::text IS NOT DISTINCT FROM i.metadata
                     AND m.encrypted = i.encrypted
                     AND m.from_user = i.from_user
                     AND m.to_users IS NOT DISTINCT FROM
                         CASE WHEN i.recipients IS NOT NULL
                              THEN ARRAY(SELECT json_array_elements_text(i.recipients::json)) END
                    THEN 'same' ELSE 'other' END AS stored
        FROM unnest(topics, idempotency_keys, types, payloads, metadata, encrypted, from_users, recipients)
             WITH ORDINALITY
             AS i(topic, key, type, payload, metadata, encrypted, from_user, recipients, ordinal)
        JOIN carillon.topics t ON t.name = i.topic
        -- One probe of the partial index a key: no plan that gets slow with the size of the log.
        LEFT JOIN LATERAL (
            SELECT s.payload, s.metadata, s.type, s.encrypted, s.from_user, s.to_users
            FROM carillon.messages s
            WHERE s.topic_id = t.id AND s.idempotency_key = i.key
            LIMIT 1
        ) m ON true
    ) placed;

    outcomes := array_fill('new'::text, ARRAY[size]);
    seen_heads := array_fill(NULL::bigint, ARRAY[size]);
    holders := array_fill(0, ARRAY[size]);

    WHILE unit_start <= size LOOP
        unit_end := unit_start;
        WHILE unit_end < size AND units[unit_end + 1] = units[unit_start] LOOP
            unit_end := unit_end + 1;
        END LOOP;

        failed_at := 0;
        FOR k IN unit_start..unit_end LOOP
            holder := coalesce(holders[key_slots[k]], 0);
            IF stored[k] IS NOT NULL THEN
                outcomes[k] := CASE stored[k] WHEN 'same' THEN 'duplicate' ELSE 'idempotency_conflict' END;
            ELSIF holder > 0 THEN
                outcomes[k] := CASE
                    WHEN payloads[k] = payloads[holder]
                     AND types[k] = types[holder]
                     AND metadata[k] IS NOT DISTINCT FROM metadata[holder]
                     AND encrypted[k] = encrypted[holder]
                     AND from_users[k] = from_users[holder]
                     AND recipients[k] IS NOT DISTINCT FROM recipients[holder]
                    THEN 'duplicate' ELSE 'idempotency_conflict' END;
            ELSIF expected_heads[k] <> heads[topic_slots[k]] THEN
                outcomes[k] := 'sequence_conflict';
                seen_heads[k] := heads[topic_slots[k]];
            ELSE
                heads[topic_slots[k]] := heads[topic_slots[k]] + 1;
                IF key_slots[k] IS NOT NULL THEN
                    holders[key_slots[k]] := k;
                END IF;
            END IF;
            IF outcomes[k] IN ('idempotency_conflict', 'sequence_conflict') THEN
                failed_at := k;
                EXIT;
            END IF;
        END LOOP;

        IF failed_at > 0 THEN
            FOR k IN unit_start..unit_end LOOP
                IF k < failed_at AND outcomes[k] = 'new' THEN
                    heads[topic_slots[k]] := heads[topic_slots[k]] - 1;
                    IF key_slots[k] IS NOT NULL THEN
                        holders[key_slots[k]] := 0;
                    END IF;
                END IF;
                IF k <> failed_at THEN
                    outcomes[k] := 'aborted';
                END IF;
            END LOOP;
        END IF;
        unit_start := unit_end + 1;
    END LOOP;
END;
$$;

CREATE FUNCTION "carillon"."carillon_publish"(
    units INTEGER[],
    topics TEXT[],
    types TEXT[],
    payloads TEXT[],
    metadata TEXT[],
    encrypted BOOLEAN[],
    from_users TEXT[],
    client_ids TEXT[],
    recipients TEXT[], -- each a JSON array of user ids, or NULL
    idempotency_keys TEXT[],
    ttls INTEGER[],    -- seconds
    expected_heads BIGINT[]
)
-- Sequences and instants (milliseconds since 1970) as float8: exact up to 2^53, and cheaper for
-- clients than bigint.
RETURNS TABLE (
    ordinal INTEGER,
    outcome TEXT,
    epoch TEXT,
    sequence FLOAT8,
    client_id TEXT,
    published_at FLOAT8,
    expires_at FLOAT8
)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan -- planning anew at each call would cost more than the call
SET enable_seqscan = off -- and a plan made while the log is small is kept when it has grown
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
    names TEXT[];
    outcomes TEXT[];
    seen_heads BIGINT[];
    instant TIMESTAMPTZ;
    single_topic INTEGER;
    single_sequence BIGINT;
    is_taken BOOLEAN := false;
BEGIN
    -- One message to a topic that is there, as most are that find no others waiting. A key that was
    -- published before, or a new topic, goes the way of all batches.
    IF cardinality(topics) = 1 AND expected_heads IS NULL THEN
        IF idempotency_keys IS NOT NULL THEN
            SELECT t.id INTO single_topic FROM carillon.topics t WHERE t.name = topics[1]
            FOR NO KEY UPDATE;
            is_taken := EXISTS (
                SELECT 1 FROM carillon.messages s
                WHERE s.topic_id = single_topic AND s.idempotency_key = idempotency_keys[1]
            );
        END IF;
        IF NOT is_taken THEN
            UPDATE carillon.topics t SET head = t.head + 1 WHERE t.name = topics[1]
            RETURNING t.id, t.epoch, t.head INTO single_topic, epoch, single_sequence;
        END IF;
        IF single_sequence IS NOT NULL THEN
            instant := date_trunc('milliseconds', clock_timestamp());
            ordinal := 1;
            outcome := 'new';
            sequence := single_sequence;
            client_id := client_ids[1];
            published_at := extract(epoch FROM instant) * 1000;
            expires_at := published_at + ttls[1]::float8 * 1000;
            INSERT INTO carillon.messages (topic_id, sequence, type, payload, metadata, encrypted, from_user,
                                           client_id, to_users, idempotency_key, published_at, expires_at)
            VALUES (single_topic, single_sequence, types[1], payloads[1]::json, metadata[1]::json, encrypted[1],
                    from_users[1], client_ids[1],
                    CASE WHEN recipients[1] IS NOT NULL
                         THEN ARRAY(SELECT json_array_elements_text(recipients[1]::json)) END,
                    idempotency_keys[1], instant, instant + ttls[1] * interval '1 second');
            RETURN NEXT;
            RETURN;
        END IF;
    END IF;

    SELECT array_agg(DISTINCT n.name COLLATE "C" ORDER BY n.name COLLATE "C")
    INTO names FROM unnest(topics) AS n(name);

    -- Only where one is missing: INSERT … ON CONFLICT would use up an id for each that exists.
    IF (SELECT count(*) FROM carillon.topics t WHERE t.name = ANY (names)) < cardinality(names) THEN
        INSERT INTO carillon.topics (name, epoch)
        SELECT n.name, o.epoch FROM unnest(names) WITH ORDINALITY AS n(name, place), carillon.origin o
        ORDER BY n.place
        ON CONFLICT (name) DO NOTHING;
    END IF;

    PERFORM 1 FROM carillon.topics t WHERE t.name = ANY (names) ORDER BY t.name FOR NO KEY UPDATE;

    IF idempotency_keys IS NOT NULL OR expected_heads IS NOT NULL THEN
        SELECT j.outcomes, j.seen_heads INTO outcomes, seen_heads
        FROM carillon.carillon_judge(units, topics, types, payloads, metadata, encrypted, from_users,
                                     recipients, idempotency_keys, expected_heads) j;
    END IF;

    instant := date_trunc('milliseconds', clock_timestamp());

    RETURN QUERY
    WITH numbered AS (
        SELECT i.*, t.id AS topic_id, t.epoch,
               t.head + row_number() OVER (PARTITION BY t.id ORDER BY i.ordinal) AS sequence
        FROM unnest(topics, types, payloads, metadata, encrypted, from_users, client_ids, recipients,
                    idempotency_keys, ttls, outcomes) WITH ORDINALITY
             AS i(topic, type, payload, metadata, encrypted, from_user, client_id, recipients,
                  idempotency_key, ttl, outcome, ordinal)
        JOIN carillon.topics t ON t.name = i.topic
        WHERE i.outcome IS NULL OR i.outcome = 'new'
    ), bumped AS (
        UPDATE carillon.topics t SET head = n.head
        FROM (SELECT topic_id, max(sequence) AS head FROM numbered GROUP BY topic_id) n
        WHERE t.id = n.topic_id
    ), inserted AS (
        INSERT INTO carillon.messages (topic_id, sequence, type, payload, metadata, encrypted, from_user,
                                       client_id, to_users, idempotency_key, published_at, expires_at)
        SELECT n.topic_id, n.sequence, n.type, n.payload::json, n.metadata::json, n.encrypted, n.from_user,
               n.client_id,
               CASE WHEN n.recipients IS NOT NULL
                    THEN ARRAY(SELECT json_array_elements_text(n.recipients::json)) END,
               n.idempotency_key, instant, instant + n.ttl * interval '1 second'
        FROM numbered n
        ORDER BY n.ordinal
    )
    SELECT n.ordinal::integer, 'new'::text, n.epoch, n.sequence::float8, n.client_id,
           (extract(epoch FROM instant) * 1000)::float8,
           (extract(epoch FROM instant) * 1000 + n.ttl::numeric * 1000)::float8
    FROM numbered n;

    IF outcomes IS NOT NULL THEN
        RETURN QUERY
        SELECT i.ordinal::integer, i.outcome, t.epoch,
               coalesce(m.sequence, i.seen_head)::float8, m.client_id,
               (extract(epoch FROM m.published_at) * 1000)::float8,
               (extract(epoch FROM m.expires_at) * 1000)::float8
        FROM unnest(topics, idempotency_keys, outcomes, seen_heads) WITH ORDINALITY
             AS i(topic, key, outcome, seen_head, ordinal)
        JOIN carillon.topics t ON t.name = i.topic
        LEFT JOIN LATERAL (
            SELECT s.sequence, s.client_id, s.published_at, s.expires_at
            FROM carillon.messages s
            WHERE s.topic_id = t.id AND s.idempotency_key = i.key
            LIMIT 1
        ) m ON i.outcome = 'duplicate'
        WHERE i.outcome <> 'new';
    END IF;
END;
$$;
