/** `lab-holder.js killed|left`: opens a lab with a program in it and waits for its end, or leaves it. */
import { Lab } from '../lab.js'

const way = process.argv[2]
const lab = await Lab.open({ lasting: way === 'left' })
const host = await lab.host('host')
await host.start(['sh', '-c', 'echo inside; exec sleep infinity']).waitFor(/inside/)
process.stdout.write(`${JSON.stringify({ namespace: host.name, folder: lab.folder })}\n`)
if (way === 'left') {
  lab.leave()
  process.exit(0)
}
setInterval(() => undefined, 60_000)
