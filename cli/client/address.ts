/**
 * Where an API is. How to authenticate, for whoever makes requests of their own: over the admin
 * socket nothing is needed; over TCP send `Authorization: Bearer $SLUICE_TOKEN`. A certificate of a
 * CA that Node does not know: NODE_EXTRA_CA_CERTS.
 */
export type ApiAddress = { host: string; port: number; tls: boolean } | { socketPath: string }

/** No use in going on: nobody listens there, it is not Sluice that does, or it lets us do nothing. */
export class Unreachable extends Error {}

/** `http://host:port`, `https://host:port` or `unix:/path`; throws in words for a person. */
export function parseApi(text: string): ApiAddress {
  const expected = 'expected http://host:port, https://host:port or unix:/path'
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length)
    if (!socketPath.startsWith('/'))
      throw new Error(`'${text}' needs an absolute path: ${expected}`)
    return { socketPath }
  }
  const url = URL.canParse(text) ? new URL(text) : null
  const tls = url?.protocol === 'https:'
  if (url === null || (!tls && url.protocol !== 'http:') || url.hostname === '')
    throw new Error(`'${text}' is not the address of an API: ${expected}`)
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '' || url.username !== '')
    throw new Error(`'${text}' has more than a host and a port: ${expected}`)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return { host, port: Number(url.port || (tls ? 443 : 80)), tls }
}
