import type { KubeObject, ResourceType } from '#kube'
import { CuddleError } from '#lib'
import { Token } from './axn.ts'
import type { Axn, Controller, ControllerOptions, Step, StepFunction } from './types.ts'

/** Declares a controller of one kind; `.step()` and `.finalize()` return a new one with the step added. */
export function controller<T extends KubeObject>(
  type: ResourceType<T>,
  options: ControllerOptions<T> = {},
): Controller<T> {
  return withSteps(type, options, [])
}

function withSteps<T extends KubeObject>(
  type: ResourceType<T>,
  options: ControllerOptions<T>,
  steps: readonly Step<T>[],
): Controller<T> {
  const add = (step: Step<T>) => {
    if (steps.some(({ name }) => name === step.name))
      throw new CuddleError('duplicate-step', `controller of ${type.kind} has two steps named ${step.name}`)
    return withSteps(type, options, [...steps, step])
  }
  return {
    name: options.name ?? type.kind.toLowerCase(),
    type,
    options,
    steps,
    step: (name: string, run: StepFunction<T>) => add({ name, run }),
    finalize: (finalizer: string, run: StepFunction<T>) => add({ name: finalizer, run, finalizer }),
  }
}

/**
 * One pass without any effect: runs the steps in order until one halts, and returns the token with what they want done.
 * Finalize steps run only while the object is being deleted and still carries their finalizer. What a step throws is
 * thrown.
 */
export async function reconcileOnce<T extends KubeObject>(controller: Controller<T>, axn: Axn<T>): Promise<Axn<T>> {
  const before = axn.object.metadata.finalizers ?? []
  const ours = controller.steps.flatMap(({ finalizer }) => finalizer ?? [])
  let finalizers = axn.deleting ? before : [...new Set([...before, ...ours])]
  let token = own(axn, controller, 'the beginning')
  for (const step of controller.steps) {
    if (token.halted) break
    if (!step.finalizer) {
      token = own(await step.run(token), controller, step.name)
    } else if (axn.deleting && finalizers.includes(step.finalizer)) {
      const earlier = token.requeue
      token = own(await step.run(token.with({ requeue: undefined })), controller, step.name)
      if (token.requeue === undefined) finalizers = finalizers.filter((name) => name !== step.finalizer)
      if (earlier !== undefined) token = own(token.requeueAfter(earlier), controller, step.name)
    }
  }
  return finalizers.length === before.length ? token : token.with({ finalizers })
}

function own<T extends KubeObject>(axn: unknown, controller: Controller<T>, step: string): Token<T> {
  if (axn instanceof Token) return axn
  throw new CuddleError('no-axn', `controller ${controller.name}: step ${step} did not return the axn`, {
    hint: 'return what the last method call on axn gave',
  })
}
