"""What people do with the official Python client: typed calls, a watch, a dynamic client, manifests, logs, leader election."""
import json
import sys
import threading
import time

from kubernetes import client, config, dynamic, utils, watch
from kubernetes.client.rest import ApiException

config.load_kube_config()
core, apps, batch = client.CoreV1Api(), client.AppsV1Api(), client.BatchV1Api()
failed = False


def step(name):
    def run(fn):
        global failed
        namespace = core.create_namespace(
            client.V1Namespace(metadata=client.V1ObjectMeta(generate_name="python-"))
        ).metadata.name
        try:
            fn(namespace)
            print(json.dumps({"step": name}), flush=True)
        except Exception as error:  # whatever it is, it is the result of the step
            failed = True
            print(json.dumps({"step": name, "error": f"{type(error).__name__}: {error}"}), flush=True)

    return run


def status_of(fn, *args, **options):
    try:
        fn(*args, **options)
    except ApiException as error:
        return error.status, json.loads(error.body)["reason"]
    raise AssertionError("succeeded")


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def deployment(name, replicas):
    labels = {"app": name}
    container = client.V1Container(
        name="main", image="cuddle.local/host", command=["sh", "-c", "echo hello from python; exec sleep 600"]
    )
    return client.V1Deployment(
        metadata=client.V1ObjectMeta(name=name),
        spec=client.V1DeploymentSpec(
            replicas=replicas,
            selector=client.V1LabelSelector(match_labels=labels),
            template=client.V1PodTemplateSpec(
                metadata=client.V1ObjectMeta(labels=labels),
                spec=client.V1PodSpec(containers=[container], termination_grace_period_seconds=1),
            ),
        ),
    )


@step("creates, reads, replaces, patches and deletes")
def _(namespace):
    body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="palette"), data={"colour": "red"})
    created = core.create_namespaced_config_map(namespace, body)
    assert created.metadata.uid and created.metadata.creation_timestamp.tzinfo
    assert status_of(core.create_namespaced_config_map, namespace, body) == (409, "AlreadyExists")
    read = core.read_namespaced_config_map("palette", namespace)
    assert read.to_dict() == created.to_dict()
    read.data["colour"] = "blue"
    core.replace_namespaced_config_map("palette", namespace, read)
    assert status_of(core.replace_namespaced_config_map, "palette", namespace, read) == (409, "Conflict")
    patched = core.patch_namespaced_config_map("palette", namespace, {"data": {"shade": "dark"}})
    assert patched.data == {"colour": "blue", "shade": "dark"}
    patched = core.patch_namespaced_config_map(
        "palette", namespace, [{"op": "remove", "path": "/data/shade"}]
    )
    assert patched.data == {"colour": "blue"}
    assert [item.metadata.name for item in core.list_namespaced_config_map(namespace, field_selector="metadata.name=palette").items] == ["palette"]
    core.delete_namespaced_config_map("palette", namespace)
    assert status_of(core.read_namespaced_config_map, "palette", namespace) == (404, "NotFound")


@step("runs a deployment and reads its logs")
def _(namespace):
    apps.create_namespaced_deployment(namespace, deployment("web", 2))
    until(lambda: apps.read_namespaced_deployment_status("web", namespace).status.available_replicas == 2)
    pods = core.list_namespaced_pod(namespace, label_selector="app=web").items
    assert len(pods) == 2 and all(pod.status.pod_ip for pod in pods)
    until(lambda: core.read_namespaced_pod_log(pods[0].metadata.name, namespace) == "hello from python\n")
    follow = core.read_namespaced_pod_log(pods[0].metadata.name, namespace, follow=True, _preload_content=False)
    assert next(follow.stream()).startswith(b"hello")
    follow.close()
    apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 0}})
    until(lambda: core.list_namespaced_pod(namespace).items == [])
    apps.delete_namespaced_deployment("web", namespace, propagation_policy="Foreground")
    until(lambda: apps.list_namespaced_replica_set(namespace).items == [])


@step("watches, and takes up a watch where it was left")
def _(namespace):
    for name in "ab":
        core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name)))
    selector = "metadata.name!=kube-root-ca.crt"
    listed = core.list_namespaced_config_map(namespace, field_selector=selector)
    stream, seen = watch.Watch(), []
    threading.Timer(0.2, lambda: core.delete_namespaced_config_map("a", namespace)).start()
    for event in stream.stream(
        core.list_namespaced_config_map, namespace, field_selector=selector,
        resource_version=listed.metadata.resource_version, timeout_seconds=20,
    ):
        seen.append((event["type"], event["object"].metadata.name))
        stream.stop()
    assert seen == [("DELETED", "a")], seen
    try:
        for _ in watch.Watch().stream(core.list_namespaced_config_map, namespace, resource_version="nonsense", timeout_seconds=1):
            pass
        raise AssertionError("a watch from nonsense")
    except ApiException as error:
        # So kube-apiserver says it too.
        assert error.status == 500, error


@step("pages through a list")
def _(namespace):
    for i in range(7):
        core.create_namespaced_secret(namespace, client.V1Secret(metadata=client.V1ObjectMeta(name=f"s{i}"), string_data={"n": str(i)}))
    names, token = [], None
    while True:
        page = core.list_namespaced_secret(namespace, limit=3, _continue=token)
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert names == [f"s{i}" for i in range(7)], names


@step("applies through the dynamic client, with kinds of its own")
def _(namespace):
    extensions = client.ApiextensionsV1Api()
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"words": {"type": "array", "items": {"type": "string"}}}}}}
    extensions.create_custom_resource_definition({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "poems.python.example"},
        "spec": {"group": "python.example", "scope": "Namespaced", "names": {"plural": "poems", "singular": "poem", "kind": "Poem"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]},
    })
    until(lambda: any(c.type == "Established" and c.status == "True"
                      for c in extensions.read_custom_resource_definition("poems.python.example").status.conditions or []))
    dynamic_client = dynamic.DynamicClient(client.ApiClient())
    poems = dynamic_client.resources.get(api_version="python.example/v1", kind="Poem")
    poem = {"apiVersion": "python.example/v1", "kind": "Poem", "metadata": {"name": "short"}, "spec": {"words": ["a", "b"]}}
    # As text: this version sends no objects with a content type that is not JSON.
    applied = dynamic_client.server_side_apply(poems, body=json.dumps(poem), namespace=namespace, name="short", field_manager="python")
    assert applied.spec.words == ["a", "b"] and applied.metadata.managedFields[0].manager == "python"
    assert [item.metadata.name for item in poems.get(namespace=namespace).items] == ["short"]
    custom = client.CustomObjectsApi()
    custom.patch_namespaced_custom_object("python.example", "v1", namespace, "poems", "short", {"spec": {"words": ["c"]}})
    assert custom.get_namespaced_custom_object("python.example", "v1", namespace, "poems", "short")["spec"]["words"] == ["c"]
    extensions.delete_custom_resource_definition("poems.python.example")


@step("creates from manifests")
def _(namespace):
    utils.create_from_dict(client.ApiClient(), {
        "apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}},
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"}, "spec": {"template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "c", "image": "cuddle.local/host", "command": ["true"]}]}}}},
        ]}, namespace=namespace)
    until(lambda: batch.read_namespaced_job_status("once", namespace).status.succeeded == 1)
    assert core.read_namespaced_service("web", namespace).spec.cluster_ip.startswith("127.")
    assert client.VersionApi().get_code().major == "1"


sys.exit(1 if failed else 0)
