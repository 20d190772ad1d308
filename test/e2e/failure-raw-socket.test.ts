// A lost worker, a restart and a killed process, over the raw-socket driver.
import t from 'tap'
import { Sluice } from '../lab/sluice.js'
import { failureTests } from './failure.js'
import { endStage, setStage } from './stage.js'

const stage = await setStage(t, (lab, director) =>
  Sluice.start(lab, director, { driver: 'raw-socket', killable: true }),
)
failureTests(t, stage)
endStage(t, stage)
