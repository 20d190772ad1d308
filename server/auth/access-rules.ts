/** Listeners, certificates and the switches that open them: what goes together and what does not. */
import { isLoopback, urlOf, type ListenAddress, type TcpAddress } from '../listen/listen-address.js'

/** The part of the configuration that says who can reach the API, and how. */
export interface AccessConfig {
  listen: ListenAddress[]
  /** Null: there is none. */
  adminSocket: string | null
  /** PEM files; '' is none. */
  tlsCert: string
  tlsKey: string
  tlsClientCa: string
  noAuth: boolean
  allowAnyone: boolean
  allowPlaintext: boolean
}

/** What is wrong with the whole, when each part is right by itself: a line each. */
export function accessFaults(config: AccessConfig): string[] {
  const { listen, tlsCert, tlsKey, tlsClientCa } = config
  const faults = listen.flatMap(address =>
    address.kind === 'tcp' ? tcpFaults(address, config) : [],
  )
  if (tlsCert !== '' && tlsKey === '') faults.push('--tls-cert: needs --tls-key, its private key')
  if (tlsKey !== '' && tlsCert === '') faults.push('--tls-key: needs --tls-cert, its certificate')
  if (tlsClientCa !== '' && tlsCert === '')
    faults.push('--tls-client-ca: needs --tls-cert and --tls-key')
  const urls = [...listen, ...socketOf(config)].map(address => urlOf(address))
  const twice = urls.find((url, i) => urls.indexOf(url) !== i)
  if (twice !== undefined) faults.push(`--listen: ${twice} is listened on twice`)
  return faults
}

function tcpFaults(address: TcpAddress, config: AccessConfig): string[] {
  const faults: string[] = []
  const url = urlOf(address)
  if (address.tls && config.tlsCert === '')
    faults.push(`--listen: ${url} needs --tls-cert and --tls-key`)
  if (isLoopback(address)) return faults
  if (!address.tls && !config.allowPlaintext)
    faults.push(
      `--listen: ${url} would carry tokens in the clear to other hosts; ` +
        'give --tls-cert and --tls-key, or --allow-plaintext if the network is safe',
    )
  if (config.noAuth && !config.allowAnyone)
    faults.push(
      `--no-auth: everybody who reaches ${url} could change everything; ` +
        'listen on 127.0.0.1 only, or add --allow-anyone if that is what you want',
    )
  return faults
}

const socketOf = ({ adminSocket }: AccessConfig): ListenAddress[] =>
  adminSocket === null ? [] : [{ kind: 'unix', path: adminSocket }]
