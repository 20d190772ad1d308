/** Import and export: other programs' configurations as documents, and back. */
import { Type } from 'typebox'
import { component, Dictionary, StringEnum } from './components.js'
import { confirming } from './parameters.js'
import { VirtualServiceConfig } from './virtual-service.js'

export const FORMATS = ['ipvsadm', 'keepalived'] as const
export type Format = (typeof FORMATS)[number]
/**
 * taken: means the same here. changed: taken, but not word for word. ignored: left out, as the other
 * program would, or because it is not what Sluice does. refused: cannot be right. From good to bad.
 */
export const ACTIONS = ['taken', 'changed', 'ignored', 'refused'] as const
export type Action = (typeof ACTIONS)[number]
/** 100,000 lines of ipvsadm-save have 6 MiB. */
export const TEXT_OCTETS_MAX = 32 * 1024 * 1024
export const DETAILS = ['full', 'notable', 'none'] as const
export const MODES = ['merge', 'replace'] as const

const format = (description: string) => StringEnum(FORMATS, { description, examples: ['ipvsadm'] })

const SAVED = `-A -t 198.51.100.10:80 -s wrr -p 300
-a -t 198.51.100.10:80 -r 10.0.0.1:8080 -m -w 2
-a -t 198.51.100.10:80 -r 10.0.0.2:8080 -m -w 1
`

export const ImportQuery = Type.Object({
  format: format('What the text is: what `ipvsadm -S` wrote, or a keepalived.conf.'),
  report: Type.Optional(
    StringEnum(DETAILS, {
      default: 'full',
      description: 'Every line, only those that were not simply taken, or the summary alone.',
    }),
  ),
  configId: Type.Optional(
    Type.String({
      maxLength: 255,
      description: "What keepalived's conditional lines (`@id`) are compared with: its `-i`.",
    }),
  ),
  manageAddress: Type.Optional(
    Type.Boolean({
      default: true,
      description: 'Whether the virtual addresses are put on interfaces and announced.',
    }),
  ),
  apply: Type.Optional(
    Type.Boolean({ default: false, description: 'Takes it over. Needs the scope `write`.' }),
  ),
  mode: Type.Optional(
    StringEnum(MODES, {
      default: 'merge',
      description:
        'merge: what is not in the text stays. replace: virtual services and real servers that ' +
        'are not in the text are deleted. Mark rules stay.',
    }),
  ),
  partial: Type.Optional(
    Type.Boolean({
      default: false,
      description: 'Takes over the rest even if statements are refused.',
    }),
  ),
  ...confirming,
})

export const ImportText = Type.String({
  description: 'At most 32 MiB and 500,000 lines. Names of ports are those of /etc/services here.',
  examples: [SAVED],
})

const ImportEntry = component(
  'ImportEntry',
  Type.Object(
    {
      line: Type.Integer({ description: 'From 1.' }),
      column: Type.Integer({ description: 'From 1.' }),
      text: Type.String({ description: 'As it was understood; long lines are cut.' }),
      action: StringEnum(ACTIONS, {
        description:
          'taken: means the same here. changed: taken, but not word for word. ignored: not ' +
          'something that is kept here, or that the other program would not act on. refused: ' +
          'cannot be right.',
      }),
      reason: Type.Optional(Type.String({ description: 'Absent when there is no more to say.' })),
      pointer: Type.Optional(
        Type.String({ description: 'What it made: a JSON Pointer into `document`.' }),
      ),
    },
    { description: 'What became of a statement.' },
  ),
)

const count = (description: string) => Type.Integer({ description })

export const ImportSummary = component(
  'ImportSummary',
  Type.Object(
    {
      taken: count('Statements that mean the same here.'),
      changed: count('Statements that were taken, but not word for word.'),
      ignored: count('Statements that were left out.'),
      refused: count('Statements that cannot be right.'),
    },
    { description: 'How many statements had which fate.' },
  ),
)

export const ImportedDocument = component(
  'ImportedDocument',
  Type.Object(
    {
      virtualServices: Dictionary(VirtualServiceConfig, { description: 'By name.' }),
      settings: Type.Optional(
        Type.Object({
          timeouts: Type.Object({
            tcpSeconds: Type.Optional(Type.Integer()),
            tcpFinSeconds: Type.Optional(Type.Integer()),
            udpSeconds: Type.Optional(Type.Integer()),
          }),
        }),
      ),
    },
    { description: 'What the text makes: a part of the configuration, as `/v1/config` has it.' },
  ),
)

export const ImportResult = component(
  'ImportResult',
  Type.Object(
    {
      format: StringEnum(FORMATS),
      summary: ImportSummary,
      document: ImportedDocument,
      report: Type.Array(ImportEntry, { description: 'By line.' }),
      revision: Type.Optional(
        Type.Integer({ description: 'With `apply`: the revision that holds it.' }),
      ),
    },
    { description: 'What was understood of a text, statement by statement.' },
  ),
)

export const ExportQuery = Type.Object({
  format: format('Lines for `ipvsadm -R`, or a keepalived.conf.'),
})

const Loss = component(
  'ExportLoss',
  Type.Object(
    {
      pointer: Type.String({ description: 'JSON Pointer into the configuration.' }),
      reason: Type.String(),
    },
    { description: 'Something that the format cannot say, or says otherwise.' },
  ),
)

export const ExportResult = component(
  'ExportResult',
  Type.Object(
    {
      format: StringEnum(FORMATS),
      text: Type.String({ examples: [SAVED] }),
      losses: Type.Array(Loss),
    },
    { description: 'The configuration in the words of another program, and what they lack.' },
  ),
)

export const ExportText = Type.String({ examples: [SAVED] })
