import { green, print, red } from './screen.js'

/** What the demo claims, and whether it held. The exit status depends on nothing else. */
export class Checks {
  readonly #failed: string[] = []
  #count = 0

  /** Prints and remembers one claim. */
  that(claim: string, holds: boolean, detail = ''): void {
    this.#count++
    if (!holds) this.#failed.push(claim)
    const mark = holds ? green('✓') : red('✗')
    print(`   ${mark} ${claim}${!holds && detail !== '' ? red(`: ${detail}`) : ''}`)
  }

  get count(): number {
    return this.#count
  }
  get failed(): readonly string[] {
    return this.#failed
  }
}
