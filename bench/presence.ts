import { PARTS } from './presence/parts.ts'
import { runParts } from './support/run-parts.ts'

await runParts('presence', PARTS)
