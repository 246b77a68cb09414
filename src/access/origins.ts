import { hostnameOf, isLoopbackHost } from './hosts.ts'

/** How the server was called, which makes its own origin. */
export interface OwnAddress {
  /** As the header `Host` has it. */
  readonly host: string | null
  /** Whether it was called over TLS, as far as is known. */
  readonly isSecure: boolean
}

interface Pattern {
  readonly protocol: string
  readonly host: string
  readonly hostname: string
  /** Whether one label stands in front of the host. */
  readonly isWildcard: boolean
}

/** Which pages may use the server from a browser. Programs that are not browsers send no origin. */
export class Origins {
  readonly #patterns: readonly Pattern[]
  readonly #any: boolean
  readonly #local: boolean

  /**
   * @param origins besides the server's own: `https://app.example`, `https://*.example` for any one
   *   label in its place, or `*` for all; default: pages of this machine, where `local`
   * @throws TypeError where one of them is none
   */
  constructor(origins: readonly string[] | undefined, local: boolean) {
    this.#any = origins?.includes('*') === true
    this.#patterns = (origins ?? []).filter((origin) => origin !== '*').map(parsePattern)
    this.#local = origins === undefined && local
  }

  /** @param origin the header `Origin` */
  allows(origin: string | null, own: OwnAddress): boolean {
    if (origin === null || this.#any) return true
    if (!URL.canParse(origin)) return false
    const page = new URL(origin)
    if (isOwn(page, own) || (this.#local && isLoopbackHost(page.hostname))) return true
    return this.#patterns.some(
      (pattern) => pattern.protocol === page.protocol && covers(pattern, page.host, pattern.host),
    )
  }

  /** Whether every page may use it. */
  get allowsAll(): boolean {
    return this.#any
  }

  /** Whether an origin that is allowed by name is of this host. */
  namesHost(hostname: string): boolean {
    return this.#any || this.#patterns.some((one) => covers(one, hostname, one.hostname))
  }
}

/** Without TLS the scheme says nothing: a proxy in front may have taken it off. */
function isOwn(page: URL, { host, isSecure }: OwnAddress): boolean {
  if (host === null || hostnameOf(host) === undefined) return false
  if (isSecure && page.protocol !== 'https:') return false
  return new URL(`${page.protocol}//${host}`).host === page.host
}

function covers({ isWildcard }: Pattern, actual: string, expected: string): boolean {
  if (!isWildcard) return actual === expected
  return actual.endsWith(`.${expected}`) && !actual.slice(0, -expected.length - 1).includes('.')
}

function parsePattern(origin: string): Pattern {
  const [, scheme, star, host] = /^([a-z][a-z\d+.-]*):\/\/(\*\.)?([^*/]+)$/i.exec(origin) ?? []
  const hostname = hostnameOf(host ?? '')
  if (scheme === undefined || hostname === undefined || !URL.canParse(`${scheme}://${host}`)) {
    throw new TypeError(
      `An origin is *, or as in https://app.example.com or https://*.example.com, not ${JSON.stringify(origin)}.`,
    )
  }
  const url = new URL(`${scheme}://${host}`)
  return { protocol: url.protocol, host: url.host, hostname, isWildcard: star !== undefined }
}
