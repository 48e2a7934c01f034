/** The machine's own. */
import { testKubectl } from './kubectl-uses.ts'

testKubectl('kubectl')
