import { defineConfig } from 'prisma/config'

/** Migrations are recorded in Carillon's own schema, apart from those of a host application. */
function databaseUrl(): string {
  const url = new URL(process.env.DATABASE_URL ?? 'postgresql://127.0.0.1:5432/postgres')
  url.searchParams.set('schema', 'carillon')
  return url.href
}

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: databaseUrl() },
})
