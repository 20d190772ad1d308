import type { Logger } from 'pino'

/** What has to be undone, in the opposite order of how it was done; each step even if others fail. */
export class Undo {
  readonly #logger: Logger
  readonly #steps: { name: string; undo: () => unknown }[] = []

  constructor(logger: Logger) {
    this.#logger = logger
  }

  push(name: string, undo: () => unknown): void {
    this.#steps.push({ name, undo })
  }

  /** Returns whether every step went well. */
  async run(): Promise<boolean> {
    let well = true
    for (let step = this.#steps.pop(); step; step = this.#steps.pop()) {
      try {
        await step.undo()
      } catch (error) {
        well = false
        this.#logger.error({ step: step.name, err: error }, 'could not be undone')
      }
    }
    return well
  }
}
