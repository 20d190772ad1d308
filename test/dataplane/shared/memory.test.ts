import t from 'tap'
import { DEFENCE, defencesOf } from '../../../dataplane/shared/memory.js'

t.test('defences of several workers: of each, the mode that acts most', async t => {
  const word = (dropEntry: number, dropPacket: number, secureTcp: number) => {
    const control = new Int32Array(new SharedArrayBuffer(512))
    control[DEFENCE] = dropEntry | (dropPacket << 2) | (secureTcp << 4)
    return control
  }
  const modes = (...controls: Int32Array[]) => {
    const merged = defencesOf(controls)
    return [merged & 3, (merged >> 2) & 3, (merged >> 4) & 3]
  }
  t.strictSame(modes(word(1, 0, 3)), [1, 0, 3])
  t.strictSame(modes(word(1, 2, 1), word(2, 1, 1)), [2, 2, 1], 'one that is short acts')
  t.strictSame(modes(word(0, 3, 0), word(0, 3, 0), word(0, 3, 0)), [0, 3, 0])
})
