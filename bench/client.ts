import { PARTS } from './client/parts.ts'
import { runParts } from './support/run-parts.ts'

await runParts('client', PARTS)
