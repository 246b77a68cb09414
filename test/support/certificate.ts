import { execFile } from 'node:child_process'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** A certificate for `localhost`, `127.0.0.1` and `carillon.test` that nobody has signed but itself. */
export interface Certificate {
  readonly keyPath: string
  readonly certPath: string
  readonly key: string
  readonly cert: string
}

const NAMES = 'subjectAltName=DNS:localhost,DNS:carillon.test,IP:127.0.0.1'

/** @param folder where to put it; made where it is not there */
export async function makeCertificate(folder: string): Promise<Certificate> {
  await mkdir(folder, { recursive: true })
  const [keyPath, certPath] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const of = ['-subj', '/CN=localhost', '-addext', NAMES, '-days', '2']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const files = ['-keyout', keyPath, '-out', certPath]
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...of, ...files])
  const [key, cert] = await Promise.all([readFile(keyPath, 'utf8'), readFile(certPath, 'utf8')])
  return { keyPath, certPath, key, cert }
}
