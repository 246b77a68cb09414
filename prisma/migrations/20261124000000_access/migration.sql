-- Keys of programs, and what is revoked: users, tokens and clients.

CREATE TABLE "carillon"."api_keys" (
    "id" TEXT COLLATE "C" NOT NULL,
    "name" TEXT NOT NULL,
    "hash" TEXT COLLATE "C" NOT NULL, -- SHA-256 of the secret, in hexadecimal
    "capabilities" JSON NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),

    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("id")
);

CREATE UNIQUE INDEX "api_keys_hash_key" ON "carillon"."api_keys"("hash");

-- The newest revocation of each. Whoever knows all up to a number asks for those above it.
CREATE TABLE "carillon"."revocations" (
    "kind" TEXT COLLATE "C" NOT NULL,
    "value" TEXT COLLATE "C" NOT NULL,
    "revoked_at" TIMESTAMPTZ(3) NOT NULL,
    "number" BIGSERIAL NOT NULL,

    CONSTRAINT "revocations_pkey" PRIMARY KEY ("kind", "value"),
    CONSTRAINT "revocations_kind" CHECK ("kind" IN ('user', 'token', 'client'))
);

CREATE UNIQUE INDEX "revocations_number_key" ON "carillon"."revocations"("number");

-- Revokes, or revokes again. The lock is held until the commit of the caller's transaction, so numbers become
-- visible in their order: who has seen one has seen all below it.
CREATE FUNCTION "carillon"."carillon_revoke"(revoked_kind TEXT, revoked_value TEXT)
RETURNS SETOF "carillon"."revocations"
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM pg_advisory_xact_lock(72707371);
    RETURN QUERY
    INSERT INTO carillon.revocations AS old (kind, value, revoked_at)
    VALUES (revoked_kind, revoked_value, clock_timestamp())
    ON CONFLICT (kind, value) DO UPDATE
    SET number = excluded.number,
        revoked_at = greatest(old.revoked_at, excluded.revoked_at) -- clocks may be put back
    RETURNING old.*;
END;
$$;
