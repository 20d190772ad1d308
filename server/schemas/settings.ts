/** The settings document of the API: IPVS's knobs, with its names in camelCase and its defaults. */
import { Type } from 'typebox'
import { Meta } from './common.js'
import { component } from './components.js'

/** ipvsadm's bound for --set: 31 days. */
const TIMEOUT_MAX_S = 2678400

const seconds = (fallback: number, description: string) =>
  Type.Optional(
    Type.Integer({ minimum: 1, maximum: TIMEOUT_MAX_S, default: fallback, description }),
  )
const flag = (fallback: boolean, description: string) =>
  Type.Optional(Type.Boolean({ default: fallback, description }))

export interface SettingsFields {
  timeouts: { tcpSeconds: number; tcpFinSeconds: number; udpSeconds: number }
  expireNodestConn: boolean
  expireQuiescentTemplate: boolean
  connReuseMode: number
  sloppyTcp: boolean
  sloppySctp: boolean
  natIcmpSend: boolean
  scheduleIcmp: boolean
  pmtuDisc: boolean
  cacheBypass: boolean
}

export const DEFAULT_SETTINGS: SettingsFields = {
  timeouts: { tcpSeconds: 900, tcpFinSeconds: 120, udpSeconds: 300 },
  expireNodestConn: false,
  expireQuiescentTemplate: false,
  connReuseMode: 1,
  sloppyTcp: false,
  sloppySctp: false,
  natIcmpSend: false,
  scheduleIcmp: false,
  pmtuDisc: true,
  cacheBypass: false,
}

const d = DEFAULT_SETTINGS

const timeouts = {
  tcpSeconds: seconds(d.timeouts.tcpSeconds, 'Of established TCP connections.'),
  tcpFinSeconds: seconds(d.timeouts.tcpFinSeconds, 'Of TCP connections that have seen a FIN.'),
  udpSeconds: seconds(d.timeouts.udpSeconds, 'Of UDP.'),
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
      ...knobs,
      meta: Type.Optional(Type.Unknown({ readOnly: true, description: 'Ignored on write.' })),
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
      expireNodestConn: Type.Boolean(),
      expireQuiescentTemplate: Type.Boolean(),
      connReuseMode: Type.Integer(),
      sloppyTcp: Type.Boolean(),
      sloppySctp: Type.Boolean(),
      natIcmpSend: Type.Boolean(),
      scheduleIcmp: Type.Boolean(),
      pmtuDisc: Type.Boolean(),
      cacheBypass: Type.Boolean(),
      meta: Meta,
    },
    { description: 'The knobs of IPVS (net.ipv4.vs, ipvsadm --set).' },
  ),
)
