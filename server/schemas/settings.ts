/** The settings document of the API: IPVS's knobs, with its names in camelCase and its defaults. */
import { Type } from 'typebox'
import { Meta } from './common.js'
import { component } from './components.js'
import {
  DEFAULT_STATE_TIMEOUTS,
  seconds,
  StateTimeouts,
  StateTimeoutsConfig,
  type StateTimeoutFields,
} from './state-timeouts.js'

/** The kernel's are of C's type int. */
const INT_MAX = 2147483647
/** ip_vs_ftp's parameter `ports` takes no more. */
const FTP_PORTS_MAX = 8

/** 0 off; 1 by need, waiting; 2 by need, acting; 3 on. */
export type DefenceMode = 0 | 1 | 2 | 3

export interface DefenceStatus {
  dropEntry: DefenceMode
  dropPacket: DefenceMode
  secureTcp: DefenceMode
}

const mode = (fallback: DefenceMode, description: string) =>
  Type.Optional(
    Type.Integer({
      ...{ minimum: 0, maximum: 3, default: fallback },
      description:
        `${description} 0: off. 1, 2: while less memory than \`amemthresh\` is available; ` +
        'the dataplane changes one into the other, see `status`. 3: on.',
    }),
  )
const flag = (fallback: boolean, description: string) =>
  Type.Optional(Type.Boolean({ default: fallback, description }))

export interface SettingsFields {
  timeouts: { tcpSeconds: number; tcpFinSeconds: number; udpSeconds: number }
  stateTimeouts: StateTimeoutFields
  expireNodestConn: boolean
  expireQuiescentTemplate: boolean
  connReuseMode: number
  sloppyTcp: boolean
  sloppySctp: boolean
  natIcmpSend: boolean
  scheduleIcmp: boolean
  pmtuDisc: boolean
  cacheBypass: boolean
  dropEntry: DefenceMode
  dropPacket: DefenceMode
  secureTcp: DefenceMode
  amemthresh: number
  amDroprate: number
  lblcExpirationSeconds: number
  lblcrExpirationSeconds: number
  runEstimation: boolean
  ftpPorts: number[]
  ftpForeignPort: boolean
  ftpForeignServer: boolean
  ftpRewriteRetransmissions: boolean
  healthCheckTargets: string[]
}

export const DEFAULT_SETTINGS: SettingsFields = {
  timeouts: { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 },
  stateTimeouts: DEFAULT_STATE_TIMEOUTS,
  expireNodestConn: false,
  expireQuiescentTemplate: false,
  connReuseMode: 1,
  sloppyTcp: false,
  sloppySctp: false,
  natIcmpSend: false,
  scheduleIcmp: false,
  pmtuDisc: true,
  cacheBypass: false,
  dropEntry: 0,
  dropPacket: 0,
  secureTcp: 0,
  amemthresh: 1024,
  amDroprate: 10,
  lblcExpirationSeconds: 86_400,
  lblcrExpirationSeconds: 86_400,
  runEstimation: true,
  ftpPorts: [21],
  ftpForeignPort: false,
  ftpForeignServer: false,
  ftpRewriteRetransmissions: true,
  healthCheckTargets: [],
}

const d = DEFAULT_SETTINGS

const timeouts = {
  tcpSeconds: seconds(d.timeouts.tcpSeconds, 'Of established TCP connections.'),
  tcpFinSeconds: seconds(d.timeouts.tcpFinSeconds, 'Of TCP connections that have seen a FIN.'),
  udpSeconds: seconds(d.timeouts.udpSeconds, 'Of UDP.'),
}

const defence = {
  dropEntry: mode(d.dropEntry, 'Each second entries of the table that look idle or forged go.'),
  dropPacket: mode(d.dropPacket, 'One of so many packets that would make a connection is dropped.'),
  secureTcp: mode(
    d.secureTcp,
    'TCP believes a client only once the real server has answered (a second table of states).',
  ),
  amemthresh: Type.Optional(
    Type.Integer({
      ...{ minimum: 0, maximum: INT_MAX, default: d.amemthresh },
      description:
        'Pages of 4 KiB. Memory is short while fewer are available, to the process or in the ' +
        'connection table; a small table is short when less than 1/8 of it is free. 0: never.',
    }),
  ),
  amDroprate: Type.Optional(
    Type.Integer({
      ...{ minimum: 0, maximum: INT_MAX, default: d.amDroprate },
      description: 'With `dropPacket` 3, one of so many packets is dropped. 0: none.',
    }),
  ),
}

const ftp = {
  ftpPorts: Type.Optional(
    Type.Array(Type.Integer({ minimum: 1, maximum: 65535 }), {
      ...{ maxItems: FTP_PORTS_MAX, default: d.ftpPorts },
      description:
        'TCP ports of virtual services whose real servers behind NAT speak FTP. New connections ' +
        'get the helper; those that there are keep what they have.',
    }),
  ),
  ftpForeignPort: flag(
    d.ftpForeignPort,
    'A client’s PORT or EPRT may name another host, as in the kernel (FTP bounce, RFC 2577).',
  ),
  ftpForeignServer: flag(
    d.ftpForeignServer,
    'A real server’s 227 or 229 may name another host, as in the kernel.',
  ),
  ftpRewriteRetransmissions: flag(
    d.ftpRewriteRetransmissions,
    'A reply that a real server sends again is rewritten again. Off, as in the kernel: the ' +
      'client is shown the private address.',
  ),
}

const knobs = {
  expireNodestConn: flag(
    d.expireNodestConn,
    'Connections to a deleted real server end at once and are scheduled anew, instead of dropping ' +
      'packets until they time out.',
  ),
  expireQuiescentTemplate: flag(
    d.expireQuiescentTemplate,
    'Persistence does not keep a client on a real server of weight 0.',
  ),
  connReuseMode: Type.Optional(
    Type.Integer({
      minimum: 0,
      maximum: 3,
      default: d.connReuseMode,
      description:
        'What a new connection from a port in use does. 0: follows the old one. Otherwise it is ' +
        'scheduled anew after TIME_WAIT and CLOSE; with bit 1 (2, 3) also in FIN_WAIT where ' +
        'answers do not pass here.',
    }),
  ),
  sloppyTcp: flag(d.sloppyTcp, 'Any TCP packet but a reset makes a connection, not only a SYN.'),
  sloppySctp: flag(d.sloppySctp, 'Any SCTP packet makes an association, not only an INIT.'),
  natIcmpSend: flag(
    d.natIcmpSend,
    'A real server that answers on no connection is told port unreachable.',
  ),
  scheduleIcmp: flag(d.scheduleIcmp, 'ICMP errors may make the connection that they are about.'),
  pmtuDisc: flag(
    d.pmtuDisc,
    'Tunnels keep the don’t-fragment bit and answer packets that are too big; off: they fragment.',
  ),
  cacheBypass: flag(
    d.cacheBypass,
    'Marked packets that no real server takes go to their own destination (transparent caches).',
  ),
}

const others = {
  lblcExpirationSeconds: seconds(
    d.lblcExpirationSeconds,
    'How long the scheduler lblc remembers a destination that nobody asks for.',
  ),
  lblcrExpirationSeconds: seconds(
    d.lblcrExpirationSeconds,
    'The same for lblcr, and how long a set of servers has to stay the same before it shrinks.',
  ),
  runEstimation: flag(d.runEstimation, 'Off: rates (`cps`, `inPps` …) stand still.'),
}

const checks = {
  healthCheckTargets: Type.Optional(
    Type.Array(Type.String({ maxLength: 49 }), {
      ...{ maxItems: 64, default: [] },
      description:
        'Loopback and link-local networks, in CIDR form, that health checks may go to; to others ' +
        'of these they never do. Changing it needs the scope `admin`.',
    }),
  ),
}

const modeNow = (description: string) => Type.Integer({ minimum: 0, maximum: 3, description })

/** What a client writes; what it leaves out has its default. */
export const SettingsConfig = component(
  'SettingsConfig',
  Type.Object(
    {
      timeouts: Type.Optional(
        Type.Object(timeouts, {
          additionalProperties: false,
          description: 'As `ipvsadm --set`; connections feel them with their next packet.',
        }),
      ),
      stateTimeouts: Type.Optional(StateTimeoutsConfig),
      ...{ ...knobs, ...defence, ...others, ...ftp, ...checks },
      meta: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
      status: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
    },
    {
      additionalProperties: false,
      description: 'The settings as written.',
      examples: [{ ...DEFAULT_SETTINGS, expireNodestConn: true }],
    },
  ),
)

export const Settings = component(
  'Settings',
  Type.Object(
    {
      timeouts: Type.Object({
        tcpSeconds: Type.Integer(),
        tcpFinSeconds: Type.Integer(),
        udpSeconds: Type.Integer(),
      }),
      stateTimeouts: StateTimeouts,
      expireNodestConn: Type.Boolean(),
      expireQuiescentTemplate: Type.Boolean(),
      connReuseMode: Type.Integer(),
      sloppyTcp: Type.Boolean(),
      sloppySctp: Type.Boolean(),
      natIcmpSend: Type.Boolean(),
      scheduleIcmp: Type.Boolean(),
      pmtuDisc: Type.Boolean(),
      cacheBypass: Type.Boolean(),
      dropEntry: Type.Integer(),
      dropPacket: Type.Integer(),
      secureTcp: Type.Integer(),
      amemthresh: Type.Integer(),
      amDroprate: Type.Integer(),
      lblcExpirationSeconds: Type.Integer(),
      lblcrExpirationSeconds: Type.Integer(),
      runEstimation: Type.Boolean(),
      ftpPorts: Type.Array(Type.Integer()),
      ftpForeignPort: Type.Boolean(),
      ftpForeignServer: Type.Boolean(),
      ftpRewriteRetransmissions: Type.Boolean(),
      healthCheckTargets: Type.Array(Type.String()),
      meta: Meta,
      status: Type.Object(
        {
          dropEntry: modeNow('What `dropEntry` is now: 2 and 3 act.'),
          dropPacket: modeNow('What `dropPacket` is now.'),
          secureTcp: modeNow('What `secureTcp` is now.'),
        },
        {
          description: 'The defence as it is, brought up to date once a second; ignored on write.',
          readOnly: true,
        },
      ),
    },
    { description: 'The knobs of IPVS (net.ipv4.vs, ipvsadm --set).' },
  ),
)
