/** Results as people and programs want them. */
import { stringify } from 'yaml'

export const OUTPUTS = ['table', 'wide', 'json', 'yaml', 'name'] as const
export type Output = (typeof OUTPUTS)[number]

/** Whole documents: what `-o json` and `-o yaml` print. */
export function machineText(value: unknown, output: 'json' | 'yaml'): string {
  if (output === 'json') return `${JSON.stringify(value, null, 2)}\n`
  return stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })
}
