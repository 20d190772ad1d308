// Assigned Internet protocol numbers (IANA): IPv4's Protocol field and IPv6's Next Header.
export const HOP_BY_HOP = 0
export const ICMP = 1
export const IGMP = 2
export const IPIP = 4
export const TCP = 6
export const UDP = 17
export const IPV6 = 41
export const ROUTING = 43
export const FRAGMENT = 44
export const GRE = 47
export const ESP = 50
export const AH = 51
export const ICMPV6 = 58
export const NO_NEXT_HEADER = 59
export const DESTINATION_OPTIONS = 60
export const SCTP = 132

/** Whether what follows the header is another IP packet: a plain IP tunnel (RFC 2003, 2473, 4213). */
export const isTunnel = (protocol: number): boolean => protocol === IPIP || protocol === IPV6
