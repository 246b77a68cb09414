import { measureDeliveries } from './fanout/deliveries.ts'
import { readFanoutOptions } from './fanout/options.ts'
import { hasEphemeral } from './fanout/peers/carillon.ts'
import { createDatabase } from './support/database.ts'

const options = readFanoutOptions()
await using database = await createDatabase()
console.log(await hasEphemeral())
console.log(
  await measureDeliveries({ options, databaseUrl: database.url, log: console.error }, [
    'bare',
    'yoga',
    'graphql-ws',
    'mercurius',
    'carillon',
  ]),
)
