/** Whether this process says that it runs in production: what helps developers is off there by default. */
export function inProduction(environment: NodeJS.ProcessEnv = process.env): boolean {
  return environment.NODE_ENV === 'production'
}
