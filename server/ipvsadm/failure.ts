/** Ends the program: text for standard error (or standard output, for help), and an exit status. */
export class Failure extends Error {
  readonly exit: number
  readonly stream: 'stdout' | 'stderr'
  /** Which argument was being read, counted from 0; null when it is no single one. */
  argument: number | null = null

  constructor(exit: number, text: string, stream: 'stdout' | 'stderr' = 'stderr') {
    super(text)
    this.exit = exit
    this.stream = stream
  }
}

/** A mistake in the arguments. */
export const USAGE = 2
/** -1 as an exit status: an unknown option, or the kernel refused to change something. */
export const REFUSED = 255

export function fail(text: string): never {
  throw new Failure(USAGE, `${text}\n`)
}

export function tryHelp(): never {
  throw new Failure(REFUSED, "Try `ipvsadm -h' or 'ipvsadm --help' for more information.\n")
}
