import assert from 'node:assert/strict'
import { contract } from '../../case.ts'
import { execQuery, runPod, shell } from '../pods.ts'

const v5 = { protocols: ['v5.channel.k8s.io'] }
const idle = 'exec sleep 1000'
const script = 'echo out; echo err >&2; exit 3'

contract('exec: output, errors and exit code', async (c) => {
  const pod = await runPod(c, 'p', idle)
  const failed = await c.stream(`${pod}/${execQuery(['sh', '-c', script])}`, v5)
  assert.deepEqual([failed.channels[1], failed.channels[2]], ['out\n', 'err\n'])
  assert.equal(JSON.parse(failed.channels[3]).details.causes[0].message, '3')
  const good = await c.stream(`${pod}/${execQuery(['echo', 'a b', '&c'])}`, v5)
  assert.equal(good.channels[1], 'a b &c\n')
  assert.equal(JSON.parse(good.channels[3]).status, 'Success')
  const killed = await c.stream(`${pod}/${execQuery(['sh', '-c', 'kill -9 $$'])}`, v5)
  assert.equal(JSON.parse(killed.channels[3]).details.causes[0].message, '137')
})

contract('exec: older protocols', async (c) => {
  const pod = await runPod(c, 'p', idle)
  for (const protocol of ['v4.channel.k8s.io', 'v4.base64.channel.k8s.io', 'channel.k8s.io', 'base64.channel.k8s.io']) {
    await c.stream(`${pod}/${execQuery(['sh', '-c', script])}`, { protocols: [protocol] })
  }
  await c.stream(`${pod}/${execQuery(['echo'])}`, { protocols: ['v9.channel.k8s.io', 'v4.channel.k8s.io'] })
})

contract('exec: input, and its end', async (c) => {
  const pod = await runPod(c, 'p', idle)
  const send = [
    [0, 'hello '],
    [0, 'there'],
    [255, '\0'],
  ] as const
  const echoed = await c.stream(`${pod}/${execQuery(['cat'], 'stdin=true&stdout=true')}`, { ...v5, send })
  assert.equal(echoed.channels[1], 'hello there')
})

contract('exec: a terminal', async (c) => {
  const pod = await runPod(c, 'p', idle)
  const ask = 'test -t 0 && test -t 1 && test -t 2 && echo a terminal; exit 4'
  const tty = await c.stream(`${pod}/${execQuery(['sh', '-c', ask], 'stdin=true&stdout=true&tty=true')}`, v5)
  assert.equal(tty.channels[1], 'a terminal\r\n')
})

contract('exec: what is refused', async (c) => {
  const pod = await runPod(c, 'p', idle, { spec: { containers: [shell(c, 'one', idle), shell(c, 'two', idle)] } })
  await c.stream(`${pod}/${execQuery(['echo'])}`, v5)
  await c.stream(`${pod}/${execQuery(['echo', 'two'], 'container=two&stdout=true')}`, v5)
  await c.stream(`${pod}/${execQuery(['echo'], 'container=three&stdout=true')}`, v5)
  await c.stream(`${pod}/${execQuery(['echo'], 'container=one')}`, v5)
  await c.stream(`${pod}/${execQuery(['echo'], 'container=one&stdout=true')}`, { protocols: ['chat'] })
  await c.stream(`${c.path('pods')}/none/${execQuery(['echo'])}`, v5)
  await c.get(`${pod}/${execQuery(['echo'], 'container=one&stdout=true')}`)
  await c.post(`${pod}/${execQuery(['echo'], 'container=one&stdout=true')}`, undefined)
})

contract('exec: a program that is not there', async (c) => {
  const pod = await runPod(c, 'p', idle)
  const answer = await c.stream(`${pod}/${execQuery(['no-such-program'])}`, {
    ...v5,
    pick: ({ channels, closed }) => ({ status: channels[3].status, closed }),
  })
  assert.equal(JSON.parse(answer.channels[3]).status, 'Failure')
})

contract('exec: into pods that do not run', async (c) => {
  const done = await runPod(c, 'done', 'true', { phase: 'Succeeded' })
  await c.stream(`${done}/${execQuery(['echo'])}`, v5)
  await c.post(
    c.path('pods'),
    { metadata: { name: 'nowhere' }, spec: { schedulerName: 'nobody', containers: [shell(c, 'main', idle)] } },
    { record: false },
  )
  await c.stream(`${c.path('pods')}/nowhere/${execQuery(['echo'])}`, v5)
})

contract('attach: joins the main process', async (c) => {
  const pod = await runPod(c, 'p', 'while read -r line; do echo "got $line"; done', { container: { stdin: true } })
  const { channels } = await c.stream(`${pod}/attach?stdin=true&stdout=true&stderr=true`, {
    ...v5,
    send: [[0, 'hello\n']],
    enough: (channels) => channels[1]?.includes('got hello\n') ?? false,
  })
  assert.equal(channels[1], 'got hello\n')
  await c.stream(`${pod}/attach?container=other&stdout=true`, v5)
  await c.stream(`${pod}/attach`, v5)
})

contract('port-forward: channels', async (c) => {
  // In a network of its own port-forward goes to loopback, in ours to the pod's address.
  const where = 'case $POD_IP in 127.*) at=$POD_IP:;; esac'
  const serve = `${where}; exec busybox httpd -f -p \${at}8080 -h /bin`
  const env = [{ name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }]
  const pod = await runPod(c, 'p', serve, { container: { env } })
  const request = 'GET /none HTTP/1.0\r\n\r\n'
  const body = ({ channels, closed }: any) => ({
    first: channels[0]?.slice(0, 2),
    last: channels[0]?.split('\r\n')[0].slice(2),
    errors: channels[1],
    closed,
  })
  await c.stream(`${pod}/portforward?ports=8080`, {
    protocols: ['v4.channel.k8s.io'],
    send: [[0, request]],
    pick: body,
  })
  await c.stream(`${pod}/portforward`, { protocols: ['v4.channel.k8s.io'] })
  await c.stream(`${pod}/portforward?ports=x`, { protocols: ['v4.channel.k8s.io'] })
  await c.stream(`${c.path('pods')}/none/portforward?ports=8080`, { protocols: ['v4.channel.k8s.io'] })
  await c.get(`${pod}/portforward?ports=8080`)
})
