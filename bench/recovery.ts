import { PARTS } from './recovery/parts.ts'
import { runParts } from './support/run-parts.ts'

await runParts('recovery', PARTS)
