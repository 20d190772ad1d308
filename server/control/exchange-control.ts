/** The rules of /v1/imports and /v1/exports. */
import type { Kinds } from '../change/change-list.js'
import { exportIpvsadm } from '../exchange/ipvsadm-export.js'
import { importIpvsadm } from '../exchange/ipvsadm-import.js'
import { exportKeepalived } from '../exchange/keepalived-export.js'
import { importKeepalived } from '../exchange/keepalived-import.js'
import type { Imported } from '../exchange/assembly.js'
import type { Configuration } from '../exchange/exported.js'
import { presentOf } from '../exchange/present.js'
import { demandWhole, takeOver, type Mode } from '../change/exchange-plan.js'
import type { Plan } from '../change/ground.js'
import { fileNames } from '../ipvsadm/names.js'
import type { DETAILS, Format } from '../schemas/exchange.js'

export interface ImportRequest {
  format: Format
  configId?: string | undefined
  manageAddress: boolean
}

export class ExchangeControl {
  readonly #configuration: () => Configuration
  readonly #kinds: Kinds

  constructor(configuration: () => Configuration, kinds: Kinds) {
    this.#configuration = configuration
    this.#kinds = kinds
  }

  /** What a text would make; nothing is stored. */
  async read(text: string, request: ImportRequest): Promise<Imported & { format: Format }> {
    const { format, configId, manageAddress } = request
    const present = presentOf(this.#configuration().services)
    const imported =
      format === 'ipvsadm'
        ? // Whoever sends a text does not make this host ask name servers.
          await importIpvsadm(text, { present, manageAddress, names: fileNames() })
        : await importKeepalived(text, {
            ...{ present, manageAddress },
            ...(configId === undefined ? {} : { configId }),
          })
    return { format, ...imported }
  }

  /** Takes over what was read. Throws (Problem) when some of it is refused and all is wanted. */
  takeOver(imported: Imported, { mode, partial }: { mode: Mode; partial: boolean }): Plan<null> {
    if (!partial) demandWhole(imported)
    return takeOver(imported, mode, this.#kinds)
  }

  async export(format: Format) {
    const configuration = this.#configuration()
    const write = format === 'ipvsadm' ? exportIpvsadm : exportKeepalived
    return { format, ...(await write(configuration)) }
  }
}

/** As much of the report as is wanted. */
export function shown(
  report: Imported['report'],
  detail: (typeof DETAILS)[number],
): Imported['report'] {
  if (detail === 'none') return []
  return detail === 'full' ? report : report.filter(({ action }) => action !== 'taken')
}
