/** A socket, as far as the client touches it; graphql-ws does the rest. */
export interface Socket {
  send(text: string): void
  close(code?: number, reason?: string): void
  addEventListener(type: 'error', listener: () => void): void
  /** Of `ws` in Node: ends it without waiting for the other side. */
  terminate?(): void
}

/** A class of sockets as `WebSocket` of browsers, of Node from 22 on, and of the package `ws`. */
export type WebSocketClass = new (url: string, protocols?: string | string[]) => unknown

/**
 * The same class, which shows each socket that is made. graphql-ws shows them when they are open only, which is too late
 * to end one that never opens. A socket that cannot be made, by an address that the platform forbids, is told of,
 * and stands for one that is closed: graphql-ws would not notice.
 */
export function shown(
  Class: WebSocketClass,
  onSocket: (socket: Socket) => void,
  onFault: (error: unknown) => void,
): WebSocketClass {
  return new Proxy(Class, {
    construct(target, args) {
      try {
        const socket = Reflect.construct(target, args) as Socket
        socket.addEventListener('error', () => {}) // in `ws`, one that nobody hears ends the process
        onSocket(socket)
        return socket
      } catch (error) {
        queueMicrotask(() => onFault(error))
        return { readyState: 3, close: () => {} }
      }
    },
  })
}
