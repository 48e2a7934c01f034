import type { objects } from '#kube'
import type { ProcessSpec } from '#spec'
import { clustered } from './clustered.ts'
import type { CompileInput } from './types.ts'

/*
 * How a pod stops: it leaves the rotation and serves on for `leaveSeconds`; a node of a BEAM cluster is then held, at most
 * for half of `drain`, while the platform hands its state over and its connections end; then SIGTERM, and SIGKILL when
 * `drain` is over.
 */

/**
 * Seconds that a pod goes on serving after it was told to stop, before its process hears of it: the time in which routers
 * and proxies learn that it is leaving. Endpoint removal and SIGTERM are not ordered in Kubernetes.
 */
export const leaveSeconds = 2

/** Seconds that a node with something to hand over waits for the platform to show itself: it may be starting just then. */
const patienceSeconds = 5

/** Annotation of pods whose node hands over: the module, as an Erlang atom. */
export const handoverAnnotation = 'cuddle.dev/handover'
/** Annotation of a pod that stops: what it is busy with, for people. */
export const goodbyeAnnotation = 'cuddle.dev/goodbye'
/** Annotation of Services: seconds after which connections that outlive a leaving pod's requests are closed. */
export const drainAnnotation = 'cuddle.dev/drain-seconds'
/** Where the platform leaves the files `.seen` and `.done` for the hook, and the variable that names it. */
export const goodbyeVariable = 'CUDDLE_GOODBYE'
const goodbyePath = '/tmp/cuddle-goodbye'

/** Seconds from the order to stop for which what is open may stay open. */
export function holdSeconds(drain: number): number {
  return leaveSeconds + Math.floor(drain / 2)
}

/** Seconds that `init:stop/0` may take. It ends by itself a little before the SIGKILL, which would say nothing. */
export function shutdownMs(input: CompileInput, { drain }: ProcessSpec): number {
  const seconds = clustered(input) ? drain - Math.floor(drain / 2) : drain
  return Math.max(500, seconds * 1000 - 500)
}

/** What happens before SIGTERM; undefined where nobody would notice. */
export function preStop(input: CompileInput, process: ProcessSpec): objects.LifecycleHandler | undefined {
  if (clustered(input)) return { exec: { command: ['/bin/sh', '-c', waitScript(input, process)] } }
  return process.port === undefined ? undefined : { sleep: { seconds: leaveSeconds } }
}

/** From the order to stop to SIGKILL, seconds. */
export function graceSeconds(input: CompileInput, process: ProcessSpec): number {
  return process.drain + (preStop(input, process) ? leaveSeconds : 0)
}

export function goodbyeEnv(): objects.EnvVar {
  return { name: goodbyeVariable, value: goodbyePath }
}

/** `Shop.Handover` → `Elixir.Shop.Handover`: an Elixir module as the atom that it is. */
export function moduleAtom(name: string): string {
  return /^[A-Z]/.test(name) ? `Elixir.${name}` : name
}

/**
 * Waits for `.done`, longer only once `.seen` is there. Counted in steps with the positional parameters, for `$((` would
 * look like a variable to Kubernetes; fractions of seconds are not POSIX, so where sleep(1) refuses them a step is a second.
 */
function waitScript(input: CompileInput, process: ProcessSpec): string {
  const unseen = (input.spec.beam.handover === undefined ? leaveSeconds : patienceSeconds) * stepsPerSecond
  const most = holdSeconds(process.drain) * stepsPerSecond
  return [
    `f=\${${goodbyeVariable}:-${goodbyePath}}`,
    `while [ ! -e "$f.done" ] && [ $# -lt ${most} ] && { [ $# -lt ${Math.min(unseen, most)} ] || [ -e "$f.seen" ]; }`,
    `do sleep ${1 / stepsPerSecond} 2>/dev/null || sleep 1; set -- "$@" x; done`,
  ].join('; ')
}

const stepsPerSecond = 5
