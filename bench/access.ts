import { PARTS } from './access/parts.ts'
import { runParts } from './support/run-parts.ts'

await runParts('access', PARTS)
