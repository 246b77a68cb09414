/** All clients select the same fields, so that a server renders a message once for all of them. */
const MESSAGE =
  'fragment M on Message{id idempotencyKey topic sequence cursor type payload metadata encrypted ephemeral from clientId to publishedAt expiresAt}'

/** Everything that the client asks a server, word for word: for lists of persisted operations. */
export const DOCUMENTS = {
  ack: operation(
    'mutation Ack($input:AckInput!)',
    'ack{consumer{name topic ackedSequence cursor lag updatedAt}}',
  ),
  events: operation(
    'subscription Events($topics:[TopicPattern!]!,$consumer:ID,$snapshot:Boolean,$maxPerSecond:Int,$after:[Cursor!],$last:Int,$from:[ID!],$types:[String!],$echo:Boolean)',
    'events{__typename ...on MessageEvent{message{...M}}...on CaughtUpEvent{cursor}...on GapEvent{topic fromSequence toSequence reason}...on SnapshotEvent{snapshot{topic sequence cursor state savedAt}}}',
    MESSAGE,
  ),
  history: operation(
    'query History($topic:TopicName!,$first:Int,$before:Cursor,$after:Cursor,$last:Int,$from:[ID!],$types:[String!])',
    'messages{nodes{...M}headSequence pageInfo{hasNextPage hasPreviousPage startCursor endCursor}}',
    MESSAGE,
  ),
  presence: operation(
    'subscription Presence($topics:[TopicPattern!]!,$enter:PresenceInput)',
    'presence{type members{userId clientIds state joinedAt lastSeenAt}}',
  ),
  publish: operation(
    'mutation Publish($inputs:[PublishInput!]!)',
    'publishMany{message{...M}}',
    MESSAGE,
  ),
  refreshToken: operation('mutation RefreshToken($token:String!)', 'refreshToken{expiresAt}'),
  updatePresence: operation(
    'mutation UpdatePresence($topic:TopicName!,$state:JSON)',
    'updatePresence{userId}',
  ),
} as const

/** Each variable of the operation is the argument of its field that has the same name. */
function operation(head: string, field: string, fragment = ''): string {
  const passed = head.match(/\w+(?=:)/g)?.map((name) => `${name}:$${name}`)
  return `${head}{${field.replace('{', `(${passed}){`)}}${fragment}`
}
