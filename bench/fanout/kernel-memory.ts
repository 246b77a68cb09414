import { readFileSync } from 'node:fs'

/** Slab caches that grow with TCP sockets and with who waits for them. */
const CACHES = /^(?:TCP|TCPv6|sock_inode_cache|filp|eventpoll_epi|eventpoll_pwq|skbuff_\w+|tw_\w+) /

/**
 * What the kernel holds for sockets, in bytes: slabs and socket buffers, of the whole machine. Only
 * root may read the slabs; undefined for others. https://man7.org/linux/man-pages/man5/slabinfo.5.html
 */
export function kernelSocketBytes(): number | undefined {
  const slabs = readSlabs()
  return slabs === undefined ? undefined : slabs + bufferBytes()
}

function readSlabs(): number | undefined {
  try {
    return readFileSync('/proc/slabinfo', 'utf8')
      .split('\n')
      .filter((line) => CACHES.test(line))
      .reduce((sum, line) => sum + slabBytes(line), 0)
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}

/** name, active objects, objects, bytes of an object, … */
function slabBytes(line: string): number {
  const [, active, , bytes] = line.split(/\s+/)
  return Number(active) * Number(bytes)
}

/** Pages of 4 KiB. */
function bufferBytes(): number {
  const pages = /^TCP:.* mem (\d+)/m.exec(readFileSync('/proc/net/sockstat', 'utf8'))?.[1]
  return Number(pages) * 4_096
}
