/** What the lab asks of a load balancer, so that the same test runs over Sluice and its peers. */
export interface ServerSpec {
  address: string
  /** That of the service when absent. */
  port?: number
  weight?: number
}

export interface ServiceSpec {
  protocol: 'tcp' | 'udp'
  address: string
  port: number
  scheduler: 'rr' | 'wrr' | 'lc' | 'wlc'
  realServers: Readonly<Record<string, ServerSpec>>
}

export interface Director {
  readonly name: string
  /** Creates or replaces a service with exactly these real servers; it is live on return. */
  putService(name: string, service: ServiceSpec): Promise<void>
  putServer(service: string, name: string, server: ServerSpec): Promise<void>
  deleteServer(service: string, name: string): Promise<void>
  deleteService(name: string): Promise<void>
  /** Stops it; whatever it put on the host is gone on return. */
  stop(): Promise<void>
}
