import { DEFAULT_URL } from './target.ts'

/** What all commands that talk to a server take. */
const TARGET = `  --url <url>         the server; else CARILLON_URL, else
                      ${DEFAULT_URL}
  --token <token>     a token or an API key; else CARILLON_TOKEN, else none
  --user <id>         who you are, where the server is open or the token is an API key
  --timeout <seconds> how long the server may take until it is there and has answered (10)
`

const EXIT_CODES = `Ends with
  0                   all is done
  1                   there is a mistake in it, or the server refuses it
  75                  the server is away, or has not answered in time: try again later
  130, 143            Ctrl+C, SIGTERM
  141                 nobody reads the output any more
`

export const PUBLISH_HELP = `carillon publish – publish a message

Usage
  carillon publish <topic> <json>
  carillon publish <topic> -            the payload is standard input
  carillon publish <topic> - --lines    each line of standard input is a payload

Options
  --text              the payload is a text, and not JSON
  --type <type>       what kind of event it is (message)
  --key <key>         an idempotency key: the same one again is the same message
  --metadata <json>   carried along
  --to <user>         who may see it, once or more; else everyone
  --ttl <seconds>     when it expires
  --expected-head <n> publish only if this is the newest sequence
  --ephemeral         to those who listen now; it is not stored
  --json              print the message as it is stored
${TARGET}
With --lines it stops at the first line that is refused, and says which one that is.

${EXIT_CODES}`

export const TAIL_HELP = `carillon tail – print messages as they are published

Usage
  carillon tail <topic or pattern> …    chat:1, or chat:* for all under chat:

Options
  --last <n>          begin with the newest n of each topic (1 to 1000)
  --after <cursor>    begin behind this message, of one topic
  --type <type>       only these, once or more
  --from <user>       only from these, once or more
  --count <n>         end after n messages
  --json              a JSON document for each message, on a line of its own
${TARGET}
It goes on through lost connections, and says so on standard error, as it does where messages
are missing. --timeout bounds the first connection only.

${EXIT_CODES}`

export const HISTORY_HELP = `carillon history – print messages that are stored, the oldest first

Usage
  carillon history <topic>

Options
  --last <n>          the newest n (25; 1 to 1000)
  --first <n>         the oldest n, or the n behind --after
  --before <cursor>   those in front of this message
  --after <cursor>    those behind this message
  --all               everything, or everything behind --after
  --type <type>       only these, once or more
  --from <user>       only from these, once or more
  --json              a JSON document for each message, on a line of its own
${TARGET}
${EXIT_CODES}`

export const PRESENCE_HELP = `carillon presence – who is in a topic

Usage
  carillon presence <topic>

Options
  --follow, -f        go on with who comes (+), changes (~) and goes (-)
  --json              a JSON document for each member, or with --follow for each change
${TARGET}
${EXIT_CODES}`

export const TOKEN_HELP = `carillon token – make a token for development

Usage
  CARILLON_JWT_SECRET=… carillon token --user <id>

Options
  --user <id>         whose token it is
  --can <topics>=<ACTION,ACTION>
                      what it may do, once or more; else everything
  --expires <when>    12h, 30d or 2027-01-31 (1h)
  --client <id>       the only client that may use it

The secret, and the issuer and the audience if they are set, are read from the variables that
the server reads. The token alone is printed on standard output.
`
