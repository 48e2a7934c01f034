/** Debian 12's, which is 1.20 and sends JSON, asks for OpenAPI v2 and knows no aggregated discovery. */
import { testKubectl } from './kubectl-uses.ts'

testKubectl('kubectl-debian')
