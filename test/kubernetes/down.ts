// npm run kubernetes:down [-- FOLDER]: ends what kubernetes:up started, and removes its state.
import { endCluster, stateFolder } from './state.ts'

await endCluster(stateFolder(process.argv.slice(2), process.env))
console.log('kubernetes: is down')
