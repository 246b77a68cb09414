/**
 * Everything that the client asks a server, word for word: for lists of persisted operations. All clients
 * select the same fields, so that a server renders a message once for all of them.
 */
const MESSAGE =
  'fragment M on Message{id idempotencyKey topic sequence cursor type payload metadata encrypted ephemeral from clientId to publishedAt expiresAt}'

export const DOCUMENTS = {
  ack: 'mutation Ack($input:AckInput!){ack(input:$input){consumer{name topic ackedSequence cursor lag updatedAt}}}',
  events: `subscription Events($topics:[TopicPattern!]!,$after:[Cursor!],$last:Int,$consumer:ID,$from:[ID!],$types:[String!],$echo:Boolean,$maxPerSecond:Int,$snapshot:Boolean){events(topics:$topics,after:$after,last:$last,consumer:$consumer,from:$from,types:$types,echo:$echo,maxPerSecond:$maxPerSecond,snapshot:$snapshot){__typename ...on MessageEvent{message{...M}}...on CaughtUpEvent{cursor}...on GapEvent{topic fromSequence toSequence reason}...on SnapshotEvent{snapshot{topic sequence cursor state savedAt}}}}${MESSAGE}`,
  history: `query History($topic:TopicName!,$first:Int,$after:Cursor,$last:Int,$before:Cursor,$from:[ID!],$types:[String!]){messages(topic:$topic,first:$first,after:$after,last:$last,before:$before,from:$from,types:$types){nodes{...M}headSequence pageInfo{hasNextPage hasPreviousPage startCursor endCursor}}}${MESSAGE}`,
  presence:
    'subscription Presence($topics:[TopicPattern!]!,$enter:PresenceInput){presence(topics:$topics,enter:$enter){type members{userId clientIds state joinedAt lastSeenAt}}}',
  publish: `mutation Publish($inputs:[PublishInput!]!){publishMany(inputs:$inputs){message{...M}}}${MESSAGE}`,
  refreshToken: 'mutation RefreshToken($token:String!){refreshToken(token:$token){expiresAt}}',
  updatePresence:
    'mutation UpdatePresence($topic:TopicName!,$state:JSON){updatePresence(topic:$topic,state:$state){userId}}',
} as const
