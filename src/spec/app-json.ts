import { z } from 'zod'
import { readDocument } from './document.ts'
import { type Size, sizes } from './fields.ts'
import { checkConfigName, checkProcessName } from './names.ts'
import type { Problem } from './problems.ts'
import type { SpecFile } from './schema.ts'

/*
 * The part of Heroku's (and Dokku's) app.json that says how an app runs. Unknown keys belong to others and are passed over.
 * https://devcenter.heroku.com/articles/app-json-schema
 */
const entry = z.looseObject({
  description: z.string().optional(),
  value: z.string().optional(),
  required: z.boolean().optional(),
  generator: z.string().optional(),
})
const appJson = z.looseObject({
  env: z.record(z.string(), z.union([z.string(), entry])).optional(),
  formation: z
    .record(
      z.string(),
      z.looseObject({ quantity: z.number().int().min(0).max(500).optional(), size: z.string().optional() }),
    )
    .optional(),
  scripts: z.record(z.string(), z.unknown()).optional(),
  cron: z.array(z.looseObject({ command: z.string().min(1), schedule: z.string() })).optional(),
  addons: z.array(z.union([z.string(), z.looseObject({ plan: z.string() })])).optional(),
})

/** Heroku's dyno types by what they hold. */
const dynos: Record<string, Size> = {
  eco: sizes.medium,
  basic: sizes.medium,
  'standard-1x': sizes.medium,
  'standard-2x': sizes.large,
  'performance-m': { cpu: '2', memory: '2560Mi' },
  'performance-l': { cpu: '8', memory: '14Gi' },
}

function sizeOf(name: string): Size | undefined {
  if (Object.hasOwn(dynos, name)) return dynos[name]
  return Object.hasOwn(sizes, name) ? sizes[name as keyof typeof sizes] : undefined
}

export type AppJsonResult = { ok: true; spec: SpecFile; warnings: Problem[] } | { ok: false; problems: Problem[] }

/**
 * Reads formation, env, cron and add-ons of an app.json into the form of a spec file.
 * @param file name for the problems @default app.json
 */
export function readAppJson(text: string, { file = 'app.json' } = {}): AppJsonResult {
  const read = readDocument(text, file, appJson)
  if (read.value === undefined) return { ok: false, problems: read.problems }
  const { env = {}, formation = {}, scripts = {}, cron = [], addons = [] } = read.value
  const problems: Problem[] = []
  const warnings: Problem[] = []
  const spec: SpecFile = {}

  for (const [name, { quantity, size }] of Object.entries(formation)) {
    const finding = checkProcessName(name)
    if (finding) {
      problems.push(read.problem(['formation', name], finding.message, { ...finding, key: true }))
      continue
    }
    if (quantity !== undefined) spec.scale = { ...spec.scale, [name]: { min: quantity, max: quantity } }
    const known = size === undefined ? undefined : sizeOf(size.toLowerCase())
    if (known) spec.processes = { ...spec.processes, [name]: { size: known } }
    else if (size !== undefined) {
      warnings.push(
        read.problem(['formation', name, 'size'], `formation.${name}.size: ${JSON.stringify(size)} is unknown here`),
      )
    }
  }
  for (const [name, given] of Object.entries(env)) {
    const finding = checkConfigName(name)
    if (finding) {
      problems.push(read.problem(['env', name], finding.message, { ...finding, key: true }))
      continue
    }
    const item = typeof given === 'string' ? { value: given } : given
    if (item.generator === 'secret') spec.env = { ...spec.env, [name]: { generate: true } }
    else if (item.value !== undefined) spec.env = { ...spec.env, [name]: { value: item.value } }
    else if (item.required !== false) {
      const description = item.description?.slice(0, 500)
      spec.env = { ...spec.env, [name]: { prompt: true, ...(description === undefined ? {} : { description }) } }
    }
  }
  if (cron.length > 0) {
    spec.cron = {}
    for (const [index, job] of cron.entries()) spec.cron[`cron-${index + 1}`] = job
  }
  if (addons.length > 0) {
    spec.addons = addons.map((addon) => {
      const name = (typeof addon === 'string' ? addon : addon.plan).replace(/^heroku-/, '').replace(/:.*$/, '')
      return { name: name === 'postgresql' ? 'postgres' : name }
    })
  }
  for (const name of Object.keys(scripts)) {
    const hint = 'for what runs before each release, write release: in cuddle.yaml or the Procfile'
    warnings.push(read.problem(['scripts', name], `scripts.${name} is not run`, { hint, key: true }))
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, spec, warnings }
}
