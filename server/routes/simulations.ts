/** /v1/simulations */
import { Type } from 'typebox'
import type { Control } from '../control.js'
import { linked } from '../schemas/components.js'
import { Simulation, SimulationRequest } from '../schemas/simulation.js'
import { answer, answers, bodyOf, type App } from './answers.js'

export function addSimulations(app: App, control: Control): void {
  app.post(
    '/v1/simulations',
    {
      schema: {
        operationId: 'simulatePacket',
        summary: 'Says what would become of a packet, step by step',
        description:
          'The dataplane handles the packet with a copy of what it can meet: mark, service, ' +
          'connection or template, real servers, rewriting, routing. Nothing is sent, counted or ' +
          'remembered; the next real packet gets what it would have got.',
        tags: ['Live state'],
        querystring: Type.Object({}),
        body: linked(SimulationRequest),
        response: answers(
          { 200: answer('Every step of the decision.', Simulation) },
          ...[400, 413, 415, 422, 503],
        ),
      },
    },
    request => control.simulations.run(bodyOf(request)),
  )
}
