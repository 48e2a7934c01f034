import { elements, format, listOf, numberOf, type Term, TermMap, textOf } from '#beam'
import { lingering, names, shown } from './process-names.ts'

function shownTerm(term: Term | undefined): string {
  if (term === undefined) return 'no reason'
  return exceptionText(term) ?? exceptionText(elements(term, 2)?.[0]) ?? format(term, { limit: 300 })
}

/** `(RuntimeError) why`, of an exception of Elixir that has a message. */
function exceptionText(term: Term | undefined): string | undefined {
  if (!(term instanceof TermMap)) return undefined
  const [name, message] = [textOf(term.field('__struct__')), term.field('message')]
  if (name === undefined || !(message instanceof Uint8Array)) return undefined
  return `(${name.replace(/^Elixir\./, '')}) ${Buffer.from(message).toString('utf8').slice(0, 300)}`
}

const readable = (module = 'a supervisor') => module.replace(/^Elixir\./, '')

/** What a supervisor's new init/1 says, that a running one cannot become. */
function supervision(why: Term | undefined): string {
  const [kind, a] = elements(why, 2) ?? [why]
  switch (textOf(kind)) {
    case 'removed':
      return `no longer has ${(listOf(a) ?? []).map((id) => format(id, { limit: 100 })).join(', ')}`
    case 'other':
      return `starts ${shownTerm(a)} with another function`
    case 'simple_one_for_one':
      return 'is a simple_one_for_one'
    case 'init':
      return `has an init/1 that cannot be asked a second time: ${shownTerm(a)}`
    case 'bad':
      return `has an init/1 that says what supervisors do not take: ${shownTerm(a)}`
    default:
      return 'is no supervisor of OTP as we know it'
  }
}

/** The reason of a refusal or an abort, in words. */
export function explain(why: Term | undefined): string {
  const [kind, a, b, c] = elements(why) ?? [why]
  const about = names(a === undefined ? [] : (listOf(a) ?? [a]))
  const first = about[0] === undefined ? '' : `${about[0].pid} (${about[0].initialCall})`
  switch (textOf(kind)) {
    case 'told':
      return 'another node could not'
    case 'alone':
      return 'the control plane went away'
    case 'no_word':
      return 'the control plane said nothing more'
    case 'lingering':
      return lingering(a)
        .map(
          (item) =>
            `${item.count} processes still run code of ${item.module} from before the present one: ${shown(item.processes)}`,
        )
        .join('; ')
    case 'busy':
      return 'it is in the middle of another hot rollout'
    case 'bad_binary':
      return `the new ${textOf(a)} is no BEAM file`
    case 'unexpected_version':
      return `${textOf(a)} runs in another version than the present release has`
    case 'no_previous_binary':
      return `the present code of ${textOf(a)} is nowhere to be found, so there would be no way back`
    case 'not_loadable':
    case 'not_loaded':
      return `not loaded: ${shownTerm(a)}`
    case 'not_verified':
      return `loaded, but not what runs: ${shownTerm(a)}`
    case 'not_suspended':
      return `${numberOf(b)} processes did not stop in time, among them ${first}`
    case 'code_change':
      return `code_change failed in ${first}: ${shownTerm(b)}${numberOf(c) === 1 ? '' : ` (and in ${numberOf(c)} in all)`}`
    case 'code_change_timeout':
      return `code_change did not return in ${numberOf(b)} processes, among them ${first}`
    case 'supervision':
      return `the supervision tree changed in what cannot be changed while it runs: ${readable(textOf(b))} ${supervision(c)}`
    default:
      return shownTerm(why)
  }
}
