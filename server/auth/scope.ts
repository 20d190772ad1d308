/** What somebody may do. Each scope includes those before it. */

export const SCOPES = ['read', 'operate', 'write', 'admin'] as const
export type Scope = (typeof SCOPES)[number]

/** For people: documentation and `--help` say what the program does. */
export const SCOPE_HELP: Readonly<Record<Scope, string>> = {
  read: 'look at everything but tokens and the audit log',
  operate: 'also drain, zero counters, end connections: what leaves the configuration alone',
  write: 'also change the configuration',
  admin: 'also mint and revoke tokens, and read the audit log',
}

export const includes = (held: Scope, wanted: Scope): boolean =>
  SCOPES.indexOf(held) >= SCOPES.indexOf(wanted)
