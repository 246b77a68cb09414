import { BACKEND, type Viewer } from '../../src/access/viewer.ts'

/** A viewer that may do everything. */
export function viewer(who: Pick<Viewer, 'kind' | 'userId' | 'clientId'>): Viewer {
  return { ...BACKEND, ...who }
}
