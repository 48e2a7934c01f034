import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { get, startLoad } from '../scripts/demo/load.ts'
import { freePort } from '../scripts/demo/stage.ts'
import { writeElixirApp, writeVersion } from './lib/elixir-app.ts'
import { must, withHome } from './lib/home.ts'
import { interleaved, missingProgram, report } from './lib/report.ts'

/*
 * A one-line change of an Elixir app of 300 modules: from `git push` until the new version answers. Ours over HTTP, through build, image,
 * release, rollout and router; against the plain pipeline that a careful person sets up by hand on Debian: a bare repository, a
 * post-receive hook, a warm `mix release`, start the new one, poll it, point nginx at it, stop the old one.
 */
const modules = 300
const rounds = 7
const run = promisify(execFile)
const missing = [
  missingProgram('mix', 'apt-get install elixir'),
  missingProgram('nginx', 'apt-get install nginx-light'),
].filter((item) => item !== undefined)
if (missing.length > 0) {
  report('deploy', [], { skipped: missing })
  process.exit(0)
}

await withHome(async (home) => {
  const children: ChildProcess[] = []
  const repository = join(home.directory, 'big')
  mkdirSync(repository)
  writeElixirApp(repository, modules)
  for (const args of [
    ['init', '-q', '-b', 'main'],
    ['config', 'user.name', 'Bench'],
    ['config', 'user.email', 'bench@example.com'],
    ['add', '-A'],
    ['commit', '-qm', 'First'],
  ]) {
    await must(home.git(repository, ...args))
  }
  await must(home.cuddle(['create', 'big'], { cwd: repository }))
  const plain = await plainPipeline(home.directory, home.env, children)
  await must(home.git(repository, 'remote', 'add', 'plain', plain.remote))
  let version = 0
  const answers = async (port: number, host: string, wanted: number) => {
    for (;;) {
      const answer = await get(port, host).catch(() => undefined)
      if (answer?.status === 200 && answer.body === `version ${wanted}`) return
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
  }
  const measure = async (remote: string, port: number) => {
    version++
    writeVersion(repository, version)
    await must(home.git(repository, 'commit', '-qam', `Version ${version}`))
    const began = performance.now()
    const pushing = home.git(repository, 'push', '-q', remote, 'main')
    await Promise.race([
      answers(port, 'big.localhost', version),
      pushing.then(({ code, stderr }) => (code === 0 ? new Promise(() => {}) : Promise.reject(new Error(stderr)))),
    ])
    const took = performance.now() - began
    await must(pushing)
    return took
  }
  try {
    await must(home.git(repository, 'push', '-q', 'plain', 'main'))
    await must(home.git(repository, 'push', '-q', 'cuddle', 'main'))
    const load = startLoad({ port: home.ports.router, host: 'big.localhost', path: '/', clients: 2 })
    const times = await interleaved(
      { ours: () => measure('cuddle', home.ports.router), theirs: () => measure('plain', plain.port) },
      rounds,
    )
    const { sent, failed, failures } = await load.stop()
    report(
      'deploy',
      [
        {
          what: 'push → new version answers (speed)',
          unit: '/s',
          ours: 1000 / times.ours,
          theirs: 1000 / times.theirs,
          baseline: 'git + mix release + nginx',
          better: 'more',
          goal: 4,
        },
        {
          what: 'push → new version answers',
          unit: 'ms',
          ours: times.ours,
          theirs: times.theirs,
          baseline: 'git + mix release + nginx',
          better: 'less',
        },
        { what: 'failed requests', unit: '', ours: failed, theirs: 1, baseline: 'goal: 0', better: 'less', goal: 0 },
      ],
      { notes: [`${sent} requests during the pushes`, ...failures] },
    )
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await run('sh', [
      '-c',
      `kill -9 $(cat ${join(home.directory, 'plain', 'app.pid')}) 2>/dev/null; kill $(cat ${join(home.directory, 'plain', 'nginx.pid')}) 2>/dev/null; true`,
    ])
  }
})

async function plainPipeline(
  directory: string,
  env: Record<string, string>,
  children: ChildProcess[],
): Promise<{ remote: string; port: number }> {
  const base = join(directory, 'plain')
  mkdirSync(join(base, 'src'), { recursive: true })
  const bare = join(base, 'big.git')
  await run('git', ['init', '-q', '--bare', bare], { env })
  const [port, blue, green] = [await freePort(), await freePort(), await freePort()]
  const nginx = (upstream: number) => `worker_processes 1; pid ${base}/nginx.pid; error_log ${base}/nginx.log;
events { worker_connections 1024; }
http { access_log off; client_body_temp_path ${base}/t1; proxy_temp_path ${base}/t2; fastcgi_temp_path ${base}/t3; uwsgi_temp_path ${base}/t4; scgi_temp_path ${base}/t5;
  upstream app { server 127.0.0.1:${upstream}; keepalive 32; }
  server { listen 127.0.0.1:${port}; location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; } } }
`
  writeFileSync(join(base, `nginx-${blue}.conf`), nginx(blue))
  writeFileSync(join(base, `nginx-${green}.conf`), nginx(green))
  writeFileSync(join(base, 'nginx.conf'), nginx(blue))
  writeFileSync(join(base, 'color'), String(green))
  const hook = join(bare, 'hooks', 'post-receive')
  writeFileSync(
    hook,
    `#!/bin/sh
set -e
unset GIT_DIR GIT_QUARANTINE_PATH
exec 3>&-
cd ${base}
git --git-dir=${bare} --work-tree=${base}/src checkout -q -f main
cd src
MIX_ENV=prod mix release --overwrite --quiet >/dev/null
old=$(cat ../color)
if [ "$old" = ${blue} ]; then new=${green}; else new=${blue}; fi
rm -rf ../release-$new
cp -r _build/prod/rel/big ../release-$new
PORT=$new RELEASE_DISTRIBUTION=none setsid ../release-$new/bin/big start >/dev/null 2>&1 </dev/null &
n=0
until curl -fs http://127.0.0.1:$new/ >/dev/null; do n=$((n+1)); [ $n -gt 1000 ] && exit 1; sleep 0.01; done
cp ../nginx-$new.conf ../nginx.conf
nginx -c ${base}/nginx.conf -s reload
oldpid=$(cat ../app.pid 2>/dev/null || true)
pgrep -f "release-$new/erts" | head -n 1 >../app.pid
echo $new >../color
[ -z "$oldpid" ] || kill $oldpid 2>/dev/null || true
`,
  )
  chmodSync(hook, 0o755)
  children.push(spawn('nginx', ['-c', join(base, 'nginx.conf'), '-g', 'daemon off;'], { stdio: 'ignore', env }))
  return { remote: bare, port }
}
