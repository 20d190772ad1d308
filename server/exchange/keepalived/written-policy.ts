/** The policy of a virtual service in the words of keepalived.conf, and what it has no words for. */
import { DEFAULT_POLICY, type PolicyConfig } from '../../schemas/policy.js'
import type { Loss } from '../exported.js'

const WORDLESS = ['allDown', 'onDown', 'minimumActive', 'minimumUsable', 'slowStart'] as const
/** What writes the method of a sorry server, as that of a real server. */
type MethodWords = (server: NonNullable<PolicyConfig['sorryServer']>) => string

/** Lines for a virtual server's block, whose real servers have `weight` in all as keepalived adds. */
export function writtenPolicy(
  policy: PolicyConfig,
  { weight, pointer }: { weight: number; pointer: string },
  methodWords: MethodWords,
  losses: Loss[],
): string[] {
  const lose = (field: string, reason: string) =>
    losses.push({ pointer: `${pointer}/policy/${field}`, reason })
  for (const name of WORDLESS) {
    const isSaid = name === 'allDown' && policy.allDown === 'sorry'
    if (policy[name] !== undefined && policy[name] !== DEFAULT_POLICY[name] && !isSaid)
      lose(name, 'keepalived has no word for it.')
  }
  const { quorum, sorryServer: sorry } = policy
  if (sorry?.forwarding === 'local')
    lose('sorryServer/forwarding', 'There is no word for it; it is written as DR.')
  return [
    ...(quorum === undefined ? [] : quorumLines(quorum, weight, lose)),
    ...(sorry === undefined
      ? []
      : [
          `sorry_server ${sorry.address}${sorry.port === 0 ? '' : ` ${sorry.port}`}`,
          `sorry_server_lvs_method ${methodWords(sorry)}`,
          ...(sorry.inhibit ? ['sorry_server_inhibit'] : []),
        ]),
    ...(policy.inhibitOnFailure ? ['inhibit_on_failure'] : []),
  ]
}

/** up is quorum + hysteresis, down quorum - hysteresis: their difference is even. */
function quorumLines(
  { up, down }: { up: number; down: number },
  weight: number,
  lose: (field: string, reason: string) => void,
): string[] {
  const value = Math.ceil((up + down) / 2)
  const slack = up - value
  if (value > weight) {
    const most = `the sum of the weights of all real servers, ${weight} (modulo 2^32)`
    lose('quorum', `keepalived takes none above ${most}: give them more, or lower it.`)
    return weight === 0 ? [] : [`quorum ${weight}`]
  }
  if (value - slack !== down) lose('quorum/down', `It is ${value - slack} as hysteresis.`)
  return [`quorum ${value}`, ...(slack === 0 ? [] : [`hysteresis ${slack}`])]
}
