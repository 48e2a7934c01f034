import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from '../../scripts/demo/stage.ts'

const run = promisify(execFile)

/**
 * The pipeline that a careful person sets up by hand on Debian: a bare repository whose post-receive hook makes a warm `mix release`, starts
 * it beside the old one, polls it, points nginx at it and stops the old one.
 * @param app name of the release; `run` ends with the test
 */
export async function plainPipeline(
  app: string,
  directory: string,
  env: Record<string, string>,
  children: ChildProcess[],
): Promise<{ remote: string; port: number }> {
  const base = join(directory, 'plain')
  mkdirSync(join(base, 'src'), { recursive: true })
  const bare = join(base, `${app}.git`)
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
cp -r _build/prod/rel/${app} ../release-$new
PORT=$new RELEASE_DISTRIBUTION=none setsid ../release-$new/bin/${app} start >/dev/null 2>&1 </dev/null &
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

/** Ends its nginx and its app. */
export async function endPlainPipeline(directory: string, children: readonly ChildProcess[]): Promise<void> {
  for (const child of children) child.kill('SIGKILL')
  const base = join(directory, 'plain')
  await run('sh', ['-c', `kill -9 $(cat ${base}/app.pid) 2>/dev/null; kill $(cat ${base}/nginx.pid) 2>/dev/null; true`])
}
