/** The codes of single faults, as problems list them; served with the problems. */
import { problems } from './errors.js'

/** Faults inside a document or a parameter: the `code` of an entry of `errors`. */
export const faults = {
  UNKNOWN_FIELD: 'The document has no field of this name. The hint has the nearest known one.',
  DUPLICATE_FIELD: 'The same field appears twice in one object.',
  MISSING_FIELD: 'A field without a default was left out.',
  WRONG_TYPE: 'The value has another JSON type than the field. Nothing is converted in silence.',
  OUT_OF_RANGE: 'The number is below the smallest or above the largest allowed value.',
  TOO_LONG: 'The text or the list is longer than allowed.',
  INVALID_VALUE: 'The value is not one of those allowed.',
  INVALID_NAME: 'A name has 1 to 63 lower-case letters, digits and inner hyphens.',
  INVALID_ADDRESS: 'The text is not an IPv4 or IPv6 address, or not one usable here.',
  INVALID_NETMASK: 'The text is not an IPv4 netmask.',
  INVALID_PREFIX: 'The text is not a network in CIDR form, or has bits behind its prefix length.',
  INVALID_PORTS: 'The text is neither a port nor a range of ports.',
  INVALID_TIME: 'The text is not a moment in RFC 3339 form and UTC, or not one usable here.',
  INVALID_LABEL: 'A label has a key of letters, digits and . _ / - and a text as its value.',
  UNKNOWN_PARAMETER: 'The resource has no query parameter of this name.',
  INVALID_PARAMETER: 'The parameter has a value that is not allowed.',
  INVALID_CURSOR: 'The cursor is not one that this list gave out.',
  FAMILY_MISMATCH: 'Only a tunnel reaches a real server of the other address family.',
  PORT_MISMATCH: 'Without rewriting (dr, tunnel, local) a real server has the port of its service.',
  PORT_ZERO_NEEDS_PERSISTENCE: 'Port 0 (any port) is only possible with persistence.',
  ONE_PACKET_NEEDS_UDP: 'One-packet scheduling is for UDP and marks only.',
  THRESHOLD_ORDER: 'The lower threshold exceeds the upper one.',
  FLAG_MISMATCH: 'The scheduler does not know this flag.',
  CONFLICTING_FIELDS: 'Two fields exclude each other, or one needs another that is missing.',
  SERVICE_EXISTS: problems.SERVICE_EXISTS.about,
  REAL_SERVER_EXISTS: problems.REAL_SERVER_EXISTS.about,
  NO_MEANING: 'The kernel has this setting, but in user space it means nothing. `detail` says why.',
  INVALID_PATH: 'The path names no resource of the configuration.',
  SERVICE_NOT_FOUND: problems.SERVICE_NOT_FOUND.about,
  REAL_SERVER_NOT_FOUND: problems.REAL_SERVER_NOT_FOUND.about,
  MARK_RULE_NOT_FOUND: problems.MARK_RULE_NOT_FOUND.about,
  HEALTH_CHECK_NOT_FOUND: problems.HEALTH_CHECK_NOT_FOUND.about,
  HEALTH_CHECK_IN_USE: problems.HEALTH_CHECK_IN_USE.about,
  UNKNOWN_HEALTH_CHECK: 'The document asks for a health check that there is not.',
  INVALID_PATTERN: 'The text is no regular expression, or uses what could take long: see `detail`.',
  NOT_AVAILABLE_HERE:
    'This Sluice cannot do it as it was started, or where it runs. The hint says what it takes.',
  TARGET_NOT_ALLOWED:
    'Probes go to loopback and link-local addresses only where the settings allow it.',
  PRECONDITION_FAILED: problems.PRECONDITION_FAILED.about,
  LIMIT_REACHED: problems.LIMIT_REACHED.about,
  BELOW_MINIMUM: problems.BELOW_MINIMUM.about,
  NOTHING_SELECTED: problems.NOTHING_SELECTED.about,
  NOT_SUPPORTED_YET: problems.NOT_SUPPORTED_YET.about,
  INTERFACE_NOT_FOUND: problems.INTERFACE_NOT_FOUND.about,
} as const

export type FaultCode = keyof typeof faults
