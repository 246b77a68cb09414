import { answer } from './child.ts'
import { Crowd, type CrowdOptions } from './crowd.ts'

const crowd = new Crowd(JSON.parse(process.argv[2] ?? '{}') as CrowdOptions)
await crowd.open()
answer(
  {},
  {
    begin: () => crowd.begin(),
    report: () => crowd.report(),
    finish: () => crowd.finish(),
  },
)
