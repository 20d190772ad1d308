/** A file that somebody else keeps: that it is there, what it says, how old it is. */
import { constants } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { printable, printableText } from '../printable.js'
import type { Run } from '../run.js'
import type { FieldsOf, Probe } from './probe.js'

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/
const CONTENTS_OCTETS_MAX = 64
// A FIFO must not hold us, and a link must not lead elsewhere.
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW

/** A null folder: files are switched off. */
export const fileProbe =
  (folder: string | null): Probe<'file'> =>
  (check, run) => {
    if (folder === null) return run.fail('unsupported', 'No folder of check files is configured.')
    if (!NAME.test(check.file))
      return run.fail('unsupported', `${printableText(check.file)} is no name of a check file.`)
    run.waitingFor = `the file ${check.file}`
    void look(join(folder, check.file), check, run)
  }

async function look(path: string, check: FieldsOf<'file'>, run: Run): Promise<void> {
  let file: FileHandle | null = null
  try {
    file = await open(path, FLAGS)
    await judge(file, path, check, run)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') run.fail('mismatch', `${path} does not exist.`)
    else run.fail('internal', `${path} cannot be read: ${code}.`)
  } finally {
    await file?.close()
  }
}

async function judge(
  file: FileHandle,
  path: string,
  check: FieldsOf<'file'>,
  run: Run,
): Promise<void> {
  const status = await file.stat()
  if (!status.isFile()) return run.fail('unsupported', `${path} is no plain file.`)
  // Ages of files are of the wall clock, as their times are; one from the future is not old.
  const ageS = Math.max(0, Math.floor((run.wallClock().getTime() - status.mtimeMs) / 1000))
  run.note('receive', `${status.size} octets, written ${ageS} s ago`)
  if (check.ageMaxS !== null && ageS > check.ageMaxS)
    return run.fail('expired', `${path} was written ${ageS} s ago, more than ${check.ageMaxS} s.`)
  if (check.expect === 'exists') return run.succeed(`${path} is there.`)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(CONTENTS_OCTETS_MAX), 0)
  const text = buffer.subarray(0, bytesRead)
  const [word = ''] = text.toString('latin1').trim().split(/\s/)
  if (word === 'up') run.succeed(`${path} says up.`)
  else if (word === 'down') run.fail('reported', `${path} says down.`)
  else run.fail('mismatch', `${path} says neither up nor down, but ${printable(text, 40)}.`)
}
