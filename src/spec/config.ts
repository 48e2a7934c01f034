import type { AppSpec } from './app-spec.ts'
import { checkConfigName } from './names.ts'
import type { Problem } from './problems.ts'

/** A single `NAME=value` that execve(2) takes: MAX_ARG_STRLEN, 32 pages, with its NUL. */
const maxEntry = 131_072 - 1
/** A Secret's data (k8s.io/api core/v1 MaxSecretSize). */
const maxTotal = 1_048_576

/**
 * What is wrong with a set of config vars: names that no shell can say, values that no process can be given.
 * Newlines, quotes and every other character but NUL are fine.
 */
export function validConfig(config: Record<string, string>): Problem[] {
  const problems: Problem[] = []
  const add = (name: string, message: string, hint?: string) =>
    problems.push({ message, path: name.slice(0, 80), file: '', line: 0, column: 0, ...(hint ? { hint } : {}) })
  let total = 0
  for (const [name, value] of Object.entries(config)) {
    const finding = checkConfigName(name)
    if (finding) add(name, finding.message, finding.hint)
    else if (typeof value !== 'string') add(name, `${name} must be text`)
    else {
      const bytes = Buffer.byteLength(value)
      total += bytes + name.length
      if (value.includes('\0')) add(name, `${name} holds a NUL byte`, 'encode binary values, for example as base64')
      else if (/\p{Surrogate}/u.test(value)) add(name, `${name} is not valid Unicode`, 'encode binary values as base64')
      else if (bytes + name.length + 2 > maxEntry) {
        add(name, `${name} is ${bytes} bytes long; a process takes at most 128 KiB per variable`, 'store it as a file')
      }
    }
  }
  if (total > maxTotal) {
    add(
      '',
      `all variables together are ${total} bytes long; a Secret holds at most 1 MiB`,
      'store large values as files',
    )
  }
  return problems
}

/** Which of the spec's variables the config lacks: those to make up now, and those that only a person can give. */
export function missingConfig(
  spec: AppSpec,
  config: Record<string, string>,
): { generate: string[]; prompt: { name: string; description?: string }[] } {
  const generate: string[] = []
  const prompt: { name: string; description?: string }[] = []
  for (const [name, wanted] of Object.entries(spec.env)) {
    if (Object.hasOwn(config, name)) continue
    if ('generate' in wanted) generate.push(name)
    else if ('prompt' in wanted) {
      prompt.push({ name, ...(wanted.description === undefined ? {} : { description: wanted.description }) })
    }
  }
  return { generate, prompt }
}
