# What people do with kubeclient: discovery, typed methods, patches, apply, a watch, logs.
require 'json'
require 'kubeclient'
require 'timeout'

context = Kubeclient::Config.read(ENV.fetch('KUBECONFIG')).context
options = { ssl_options: context.ssl_options, auth_options: context.auth_options }
CORE = Kubeclient::Client.new(context.api_endpoint, 'v1', **options)
APPS = Kubeclient::Client.new("#{context.api_endpoint}/apis/apps", 'v1', **options)
$failed = false

def step(name)
  namespace = CORE.create_namespace(Kubeclient::Resource.new(metadata: { generateName: 'ruby-' })).metadata.name
  yield namespace
  puts({ step: name }.to_json)
rescue StandardError => e
  $failed = true
  puts({ step: name, error: "#{e.class}: #{e.message} #{e.backtrace.first}" }.to_json)
ensure
  $stdout.flush
end

def equal(wanted, got)
  raise "expected #{wanted.inspect}, got #{got.inspect}" unless wanted == got
end

def refused(code)
  yield
rescue Kubeclient::HttpError => e
  equal code, e.error_code
else
  raise 'succeeded'
end

def wait_until
  Timeout.timeout(20) { sleep 0.05 until yield }
end

def config_map(namespace, name, data = {}, labels = {})
  Kubeclient::Resource.new(metadata: { name: name, namespace: namespace, labels: labels }, data: data)
end

step 'discovers, creates, reads, updates, patches and deletes' do |namespace|
  CORE.discover
  created = CORE.create_config_map(config_map(namespace, 'palette', { colour: 'red' }))
  refused(409) { CORE.create_config_map(config_map(namespace, 'palette')) }
  equal 'red', CORE.get_config_map('palette', namespace).data.colour
  created.data.colour = 'blue'
  CORE.update_config_map(created)
  refused(409) { CORE.update_config_map(created) }
  CORE.patch_config_map('palette', { data: { shade: 'dark' } }, namespace)
  CORE.json_patch_config_map('palette', [{ op: 'add', path: '/data/hue', value: '1' }], namespace)
  CORE.merge_patch_config_map('palette', { data: { colour: nil } }, namespace)
  equal({ shade: 'dark', hue: '1' }, CORE.get_config_map('palette', namespace).data.to_h)
  CORE.delete_config_map('palette', namespace)
  begin
    CORE.get_config_map('palette', namespace)
    raise 'still there'
  rescue Kubeclient::ResourceNotFoundError => e
    equal 'configmaps "palette" not found', e.message
  end
end

step 'lists by labels, page by page' do |namespace|
  5.times { |i| CORE.create_config_map(config_map(namespace, "c#{i}", {}, { kind: 'test' })) }
  names = []
  token = nil
  loop do
    page = CORE.get_config_maps(namespace: namespace, label_selector: 'kind=test', limit: 2, continue: token)
    names += page.map { |item| item.metadata.name }
    break if page.last?

    token = page.continue
  end
  equal %w[c0 c1 c2 c3 c4], names
end

step 'applies, watches a deployment come up, and reads logs' do |namespace|
  # A Hash: a Resource becomes no JSON by itself.
  deployment = {
    apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web', namespace: namespace },
    spec: {
      selector: { matchLabels: { app: 'web' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { terminationGracePeriodSeconds: 1,
                containers: [{ name: 'main', image: 'cuddle.local/host', command: ['sh', '-c', 'echo hello from ruby; exec sleep 600'] }] }
      }
    }
  }
  applied = APPS.apply_deployment(deployment, field_manager: 'ruby')
  equal 1, APPS.apply_deployment(deployment, field_manager: 'ruby').metadata.generation
  Timeout.timeout(20) do
    APPS.watch_deployments(namespace: namespace, resource_version: applied.metadata.resourceVersion) do |notice|
      break if notice.object.status.availableReplicas == 1
    end
  end
  pod = CORE.get_pods(namespace: namespace, label_selector: 'app=web').first
  equal 'Running', pod.status.phase
  wait_until { CORE.get_pod_log(pod.metadata.name, namespace).to_s == "hello from ruby\n" }
  APPS.delete_deployment('web', namespace, delete_options: Kubeclient::Resource.new(propagationPolicy: 'Foreground'))
  wait_until { CORE.get_pods(namespace: namespace).empty? }
end

exit($failed ? 1 : 0)
