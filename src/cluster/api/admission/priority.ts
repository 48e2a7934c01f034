import { forbidden } from '../status.ts'
import { isNewPod, type Plugin } from './plugin.ts'

/** Resolves priorityClassName into priority and preemptionPolicy; the global default class where none is named. */
export const priority: Plugin = {
  mutate(rr, attributes) {
    const { object } = attributes
    if (!isNewPod(rr, attributes) || typeof object.spec !== 'object' || object.spec === null) return
    const { store } = rr.api
    const named = object.spec.priorityClassName
    let found = named ? store.peek('scheduling.k8s.io/priorityclasses', String(named))?.object : undefined
    if (named && !found) {
      throw forbidden(rr.info, object.metadata.name ?? '', `no PriorityClass with name ${named} was found`)
    }
    found ??= store.list('scheduling.k8s.io/priorityclasses').find((one) => one.object['globalDefault'])?.object
    const value = found?.['value'] ?? 0
    if (object.spec.priority !== undefined && object.spec.priority !== value) {
      throw forbidden(
        rr.info,
        object.metadata.name ?? '',
        `the integer value of priority (${object.spec.priority}) must not be provided in pod spec; priority admission controller computed ${value} from the given PriorityClass name`,
      )
    }
    if (found && !named) object.spec.priorityClassName = found.metadata.name
    object.spec.priority = value
    object.spec.preemptionPolicy ??= found?.['preemptionPolicy'] ?? 'PreemptLowerPriority'
  },
}
