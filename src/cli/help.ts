export const HELP = `carillon – a GraphQL server for realtime messages

Usage
  carillon serve      start a server (also what "carillon" alone does)
  carillon migrate    bring the database at DATABASE_URL to this version's tables
  carillon keys create --name <name> --can <topics>=<ACTION,ACTION> [--can …]
                       [--expires <30d, 12h or 2027-01-31>]
                      make an API key, and show it this once
  carillon keys list  the API keys, without their secrets
  carillon keys revoke <id>
                      refuse an API key from now on
  carillon revoke --user <id> | --token-id <id> | --client <id>
                      refuse what was issued to a user or a client so far, or one token
  carillon publish <topic> <json>
                      publish a message
  carillon tail <topic> …
                      print messages as they are published
  carillon history <topic>
                      print messages that are stored
  carillon presence <topic>
                      who is in a topic
  carillon token --user <id>
                      make a token for development
  carillon schema     print the GraphQL schema
  carillon --help     this text; of publish, tail, history, presence and token: what they take
  carillon --version  the version

Environment of publish, tail, history and presence
  CARILLON_URL        the server (http://127.0.0.1:4000/graphql)
  CARILLON_TOKEN      a token or an API key
  NO_COLOR            anything: no colours

Environment of the server
  PORT, HOST          where it listens (4000, 127.0.0.1); PORT=0 takes a free port
  DATABASE_URL        a PostgreSQL server, 14 or newer; unset: an embedded one
  REDIS_URL           a Redis, for several instances on one database: redis://host:6379,
                      redis-sentinel://host,host/master or redis-cluster://host,host;
                      unset: one instance
  CARILLON_DATA_DIR   where the embedded database lives (./.carillon); memory: for nowhere
  CARILLON_AUTH       required: callers need a token or an API key; open: everyone may do
                      everything, also from other machines
  CARILLON_JWT_SECRET, CARILLON_JWKS_URL
                      how tokens are verified: HS256, or RS256, ES256 and EdDSA
  CARILLON_JWT_ISSUER, CARILLON_JWT_AUDIENCE
                      what tokens have to have as iss and aud; unset: anything
  CARILLON_CAPABILITIES
                      what a token may do that does not say it, as JSON such as
                      [{"topics":"chat:*","actions":["SUBSCRIBE"]}]; unset: nothing
  CARILLON_OPERATIONS a JSON file of the operations that clients may send; unset: any
  CARILLON_CLIENT_PUBLISH
                      off: only backends publish, with an API key
  CARILLON_ORIGINS    whose pages may use it from a browser, besides its own:
                      https://app.example.com,https://*.example.com; * for all
  CARILLON_TLS_KEY, CARILLON_TLS_CERT
                      files of a key and its certificate, to serve over TLS
  CARILLON_TRUST_PROXY
                      whose X-Forwarded-… headers are believed: loopback, a number of hops,
                      or addresses such as 10.0.0.0/8
  CARILLON_GRAPHIQL, CARILLON_INTROSPECTION
                      on or off; unset: on, but where NODE_ENV=production
  CARILLON_RETENTION  how long messages are kept, as JSON such as
                      [{"topics":"chat:*","maxAge":86400}]; unset: for ever
  CARILLON_PRESENCE_GRACE_MS, CARILLON_PRESENCE_LEASE_MS
                      how long clients count as present whose connection, or instance, is gone
  CARILLON_LIMIT_…    how much callers may ask for; docs/limits.md has the names
  CARILLON_LOG_LEVEL  debug, info, warn (default), error or silent
`
