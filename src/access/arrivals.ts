import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { TLSSocket } from 'node:tls'
import proxyAddr from 'proxy-addr'
import type { OwnAddress } from './origins.ts'

/**
 * Which proxies are believed when they say whom they speak for: none; so many hops in front of the server; or those
 * of these addresses, networks such as `10.0.0.0/8`, or names (`loopback`, `linklocal`, `uniquelocal`).
 */
export type TrustProxy = false | number | string | readonly string[]

/** How a request has come to the server. */
export interface Arrival extends OwnAddress {
  /** The client's; empty where it is not known. */
  readonly address: string
}

/** Tells how requests came: by their sockets, and by the headers of those proxies that are trusted. */
export class Arrivals {
  readonly #trusts: (address: string, hop: number) => boolean

  /** @throws TypeError where `trust` names no addresses */
  constructor(trust: TrustProxy) {
    this.#trusts = trustOf(trust)
  }

  of(request: IncomingMessage): Arrival {
    const { headers, socket } = request
    const { remoteAddress = '' } = socket
    const own = { host: headers.host ?? null, isSecure: socket instanceof TLSSocket }
    if (!this.#trusts(remoteAddress, 0)) return { ...own, address: addressOf(remoteAddress) }
    const client = proxyAddr(request, this.#trusts)
    const scheme = lastOf(headers['x-forwarded-proto'])
    return {
      // Some proxies put other words in the place of an address.
      address: addressOf(isIP(client) === 0 ? remoteAddress : client),
      host: lastOf(headers['x-forwarded-host']) ?? own.host,
      isSecure: scheme === undefined ? own.isSecure : scheme.toLowerCase() === 'https',
    }
  }

  /** Of a request of the web, which comes without a socket: nothing that it says is believed. */
  ofRequest(request: Request): Arrival {
    const { host, protocol } = new URL(request.url)
    const named = request.headers.get('host')
    return { address: '', host: named ?? host, isSecure: protocol === 'https:' }
  }
}

function trustOf(trust: TrustProxy): (address: string, hop: number) => boolean {
  if (trust === false) return () => false
  if (typeof trust !== 'number') return proxyAddr.compile(listOf(trust))
  if (!Number.isSafeInteger(trust) || trust < 0) {
    throw new TypeError(`The hops of trustProxy are a whole number, not ${trust}.`)
  }
  return (_address, hop) => hop < trust
}

function listOf(trust: string | readonly string[]): string[] {
  const names = [trust].flat().flatMap((name) => name.split(','))
  return names.map((name) => name.trim())
}

/** What the nearest proxy has said, which stands behind what came to it. */
function lastOf(header: string | string[] | undefined): string | undefined {
  const last = [header].flat().join().split(',').at(-1)?.trim()
  return last === '' ? undefined : last
}

/**
 * The address that clients are counted by. Whoever has an IPv6 address has 2^64 of them, and IPv4 may be written as
 * IPv6: https://www.rfc-editor.org/rfc/rfc4291#section-2.5.5.2
 */
function addressOf(address: string): string {
  const [, ipv4] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address) ?? []
  if (ipv4 !== undefined) return ipv4
  if (isIP(address) !== 6) return address
  const [plain = ''] = address.split('%')
  const [head = '', tail] = plain.split('::')
  const groups = head === '' ? [] : head.split(':')
  const missing =
    tail === undefined ? 0 : 8 - groups.length - (tail === '' ? 0 : tail.split(':').length)
  const all = [
    ...groups,
    ...Array.from({ length: Math.max(0, missing) }, () => '0'),
    ...(tail?.split(':') ?? []),
  ]
  return `${all
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}
