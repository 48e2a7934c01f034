import { z } from 'zod'
import { checkCron } from './cron.ts'
import { checkVmArgs, readSysConfig } from './erlang.ts'
import { checkAppName, checkConfigName, checkLabel, checkProcessName } from './names.ts'
import type { Finding } from './problems.ts'
import { checkSignalName, mostTargets, readPercent, readTarget } from './targets.ts'
import {
  checkAbsolutePath,
  checkScale,
  checkTimezone,
  type Reading,
  readBytes,
  readCpu,
  readDomain,
  readDuration,
  readScale,
} from './values.ts'

/** The start of the message of an unknown key; the allowed keys follow, for the suggestion. */
export const allowedKeys = 'allowed keys: '

/** A map with exactly these keys. */
export function strict<S extends z.ZodRawShape>(shape: S) {
  const names = Object.keys(shape).join(',')
  return z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? allowedKeys + names : undefined),
  })
}

function text(check: (value: string) => Finding | undefined) {
  return z.string().superRefine((value, context) => {
    const finding = check(value)
    if (finding) context.addIssue({ code: 'custom', message: finding.message, params: { hint: finding.hint } })
  })
}

function reading<I extends z.ZodType, T>(input: I, read: (value: z.output<I>) => Reading<T>) {
  return input.transform((value, context): T => {
    const result = read(value)
    if ('value' in result) return result.value
    context.addIssue({ code: 'custom', message: result.message, params: { hint: result.hint } })
    return z.NEVER
  })
}

const durationText = z.string({ error: 'write 30s, 5m or 1h30m' })

const shortText = text((value) => {
  if (value.trim() === '') return { message: 'command is empty' }
  if (value.includes('\0')) return { message: 'command holds a NUL byte' }
  return value.length > 16_384 ? { message: 'command is longer than 16384 characters' } : undefined
})

export const command = z
  .union([shortText, z.array(z.string().refine((word) => !word.includes('\0'), 'command holds a NUL byte')).min(1)])
  .describe('A line for /bin/sh, or a list of words that is run as it is.')

/** `Shop.Handover`, or `shop_handover` as Erlang says it. */
export const moduleName = text((value) =>
  value.length <= 200 && /^(?:[A-Z]\w*(?:\.[A-Z]\w*)*|[a-z][\w@]*)$/.test(value)
    ? undefined
    : {
        message: `${JSON.stringify(value.slice(0, 80))} is no module`,
        hint: 'for example Shop.Handover or shop_handover',
      },
)

export const vmArgs = text(checkVmArgs)
export const sysConfig = reading(z.string(), readSysConfig)

export const appName = text(checkAppName)
export const processName = text(checkProcessName)
export const envName = text(checkConfigName)
export const environmentName = text((value) => checkLabel('environment name', value, 30))
export const addonName = text((value) => checkLabel('add-on', value, 30))
export const schedule = text(checkCron)
export const timezone = text(checkTimezone)
export const mountPath = text(
  (value) =>
    checkAbsolutePath(value, '/data') ??
    (/^\/+((tmp|proc|sys|dev|bin|lib|usr|etc)(\/|$)|app\/*$|$)/.test(value)
      ? { message: `${JSON.stringify(value)} cannot be a volume`, hint: 'for example /data' }
      : undefined),
)
export const urlPath = text((value) => checkAbsolutePath(value, '/healthz'))
export const duration = reading(durationText, readDuration).describe('A duration: 30s, 5m, 1h30m.')
export const positiveDuration = reading(durationText, (value) => {
  const result = readDuration(value)
  return 'value' in result && result.value < 1 ? { message: `${JSON.stringify(value)} is less than 1s` } : result
}).describe('A duration from 1s up: 30s, 5m, 1h30m.')
export const domain = reading(z.string(), readDomain)
export const port = z.number().int().min(1024).max(65_535).describe('A port from 1024 up (ports below need root).')

const amount = z.union([z.number(), z.string()])
const target = z.union([
  reading(amount, (value) => readPercent(value)),
  reading(
    z
      .record(text(checkSignalName), amount)
      .refine((map) => Object.keys(map).length >= 1 && Object.keys(map).length <= mostTargets, {
        message: `a target names one to ${mostTargets} signals`,
      }),
    (map): Reading<Record<string, number>> => {
      const targets: Record<string, number> = {}
      for (const [name, value] of Object.entries(map)) {
        const result = readTarget(name, value)
        if (!('value' in result)) return result
        targets[name] = result.value
      }
      return { value: targets }
    },
  ),
])

export const scale = z
  .union([
    reading(z.number(), (value) => checkScale({ min: value, max: value })),
    reading(z.string(), readScale),
    reading(strict({ min: z.number(), max: z.number(), target: target.optional() }), checkScale),
  ])
  .describe('Replicas: `2`, a range `2..10`, or `{min, max, target}` with `target: {utilisation: 60%}`.')

const quantity = z.union([z.string(), z.number()])
/** Memory that one replica may use and is guaranteed, CPU that it is guaranteed. */
export interface Size {
  cpu: string
  memory: string
}

/** The named sizes. A BEAM release idles at 60 to 100 MB, a Node server at 50. */
export const sizes = {
  small: { cpu: '100m', memory: '256Mi' },
  medium: { cpu: '250m', memory: '512Mi' },
  large: { cpu: '1', memory: '1Gi' },
  xlarge: { cpu: '2', memory: '2Gi' },
} as const satisfies Record<string, Size>

export const size = z
  .union([
    z.enum(Object.keys(sizes) as [keyof typeof sizes]).transform((name): Size => sizes[name]),
    strict({
      cpu: reading(quantity, readCpu).optional(),
      memory: reading(quantity, (value) => readBytes(value, 2 ** 23, '256Mi')).optional(),
    }).transform((value): Size => ({ ...sizes.small, ...value })),
  ])
  .describe(`${Object.keys(sizes).join(', ')}, or \`{cpu, memory}\`.`)

export const storage = z
  .record(
    mountPath,
    reading(quantity, (value) => readBytes(value, 2 ** 20, '10Gi')),
  )
  .describe('Directories that outlive releases: `{/data: 10Gi}`.')

export const health = z
  .union([
    urlPath.transform((path) => ({ path })),
    strict({
      path: urlPath.optional().describe('Path that answers 200 to 399 when all is well. Without it: the port accepts.'),
      interval: positiveDuration.optional().describe('Between two readiness checks.'),
      timeout: positiveDuration.optional().describe('For one check.'),
      failures: z.number().int().min(1).max(100).optional().describe('Failed checks before no request is sent.'),
      start: positiveDuration.optional().describe('Time from start until the first good check.'),
    }),
  ])
  .describe('A path such as `/healthz`, or `{path, interval, timeout, failures, start}`.')
