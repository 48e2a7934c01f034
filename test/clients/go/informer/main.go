// A program as people write them on client-go, with its defaults: typed clients (which send protobuf), shared informers (which
// list by watching), server-side apply, paging, events, a dynamic and a metadata client, and leader election. It prints a line
// of JSON per step and ends with 1 when one of them failed.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/util/retry"
)

type session struct {
	config    *rest.Config
	client    *kubernetes.Clientset
	namespace string
}

type step struct {
	name string
	run  func(context.Context, *session) error
}

var steps = []step{
	{"typed create, get, update, conflict and delete", typed},
	{"shared informers see what others do", sharedInformers},
	{"server-side apply and extract", applied},
	{"paged lists", paged},
	{"dynamic client through discovery", dynamically},
	{"metadata client", metadataOnly},
	{"events through the recorder", events},
	{"leader election hands over", elections},
}

func main() {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		panic(err)
	}
	config.QPS, config.Burst = 500, 500
	client := kubernetes.NewForConfigOrDie(config)
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	code := 0
	out := json.NewEncoder(os.Stdout)
	for _, step := range steps {
		if err := func() error {
			namespace, err := client.CoreV1().Namespaces().Create(ctx,
				&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "client-go-"}}, metav1.CreateOptions{})
			if err != nil {
				return err
			}
			return step.run(ctx, &session{config, client, namespace.Name})
		}(); err != nil {
			code = 1
			out.Encode(map[string]string{"step": step.name, "error": err.Error()})
		} else {
			out.Encode(map[string]string{"step": step.name})
		}
	}
	os.Exit(code)
}

func until(ctx context.Context, what string, condition func() bool) error {
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 20*time.Second, true,
		func(context.Context) (bool, error) { return condition(), nil })
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func configMap(name string, data map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kind": "test"}}, Data: data}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{
					{Name: "sleep", Image: "cuddle.local/host", Command: []string{"sleep", "600"}},
				}},
			},
		},
	}
}

func typed(ctx context.Context, s *session) error {
	maps := s.client.CoreV1().ConfigMaps(s.namespace)
	created, err := maps.Create(ctx, configMap("palette", map[string]string{"colour": "red"}), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	if created.UID == "" || created.ResourceVersion == "" || created.CreationTimestamp.IsZero() {
		return fmt.Errorf("created object lacks metadata: %+v", created.ObjectMeta)
	}
	if _, err := maps.Create(ctx, configMap("palette", nil), metav1.CreateOptions{}); !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("second create: %v", err)
	}
	read, err := maps.Get(ctx, "palette", metav1.GetOptions{})
	if err != nil {
		return err
	}
	if !equality.Semantic.DeepEqual(created, read) {
		return fmt.Errorf("get differs from create:\n%+v\n%+v", read, created)
	}
	stale := read.DeepCopy()
	read.BinaryData = map[string][]byte{"raw": {0, 1, 254, 255}}
	updated, err := maps.Update(ctx, read, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	if string(updated.BinaryData["raw"]) != "\x00\x01\xfe\xff" {
		return fmt.Errorf("bytes came back as %v", updated.BinaryData["raw"])
	}
	stale.Data["colour"] = "blue"
	if _, err := maps.Update(ctx, stale, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("stale update: %v", err)
	}
	if err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		if stale, err = maps.Get(ctx, "palette", metav1.GetOptions{}); err != nil {
			return err
		}
		stale.Data["colour"] = "blue"
		_, err = maps.Update(ctx, stale, metav1.UpdateOptions{})
		return err
	}); err != nil {
		return err
	}
	for patchType, patch := range map[types.PatchType]string{
		types.StrategicMergePatchType: `{"data":{"a":"1"}}`,
		types.MergePatchType:          `{"data":{"b":"2"}}`,
		types.JSONPatchType:           `[{"op":"add","path":"/data/c","value":"3"}]`,
	} {
		if _, err := maps.Patch(ctx, "palette", patchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("%s: %w", patchType, err)
		}
	}
	if read, err = maps.Get(ctx, "palette", metav1.GetOptions{}); err != nil || len(read.Data) != 4 {
		return fmt.Errorf("after three patches: %v, %v", read.Data, err)
	}
	precondition := types.UID("another")
	if err := maps.Delete(ctx, "palette", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &precondition}}); !apierrors.IsConflict(err) {
		return fmt.Errorf("delete of another uid: %v", err)
	}
	if err := maps.Delete(ctx, "palette", metav1.DeleteOptions{}); err != nil {
		return err
	}
	if _, err := maps.Get(ctx, "palette", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("get after delete: %v", err)
	}
	_, err = s.client.AppsV1().Deployments(s.namespace).Create(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "Bad_Name"}}, metav1.CreateOptions{})
	status, ok := err.(apierrors.APIStatus)
	if !ok || !apierrors.IsInvalid(err) || len(status.Status().Details.Causes) < 2 {
		return fmt.Errorf("an invalid deployment: %v", err)
	}
	return nil
}

func sharedInformers(ctx context.Context, s *session) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for i := range 20 {
		if _, err := s.client.CoreV1().ConfigMaps(s.namespace).Create(ctx, configMap(fmt.Sprintf("before-%d", i), nil), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	factory := informers.NewSharedInformerFactoryWithOptions(s.client, time.Minute, informers.WithNamespace(s.namespace))
	maps, deployments, pods := factory.Core().V1().ConfigMaps(), factory.Apps().V1().Deployments(), factory.Core().V1().Pods()
	var added, updated, deleted atomic.Int32
	maps.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		UpdateFunc: func(any, any) { updated.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	})
	deployments.Informer()
	pods.Informer()
	factory.Start(ctx.Done())
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("%s did not sync", kind)
		}
	}
	cached, err := maps.Lister().ConfigMaps(s.namespace).List(labels.SelectorFromSet(labels.Set{"kind": "test"}))
	if err != nil || len(cached) != 20 {
		return fmt.Errorf("%d cached, %v", len(cached), err)
	}
	client := s.client.CoreV1().ConfigMaps(s.namespace)
	late, err := client.Create(ctx, configMap("late", nil), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	late.Data = map[string]string{"now": "changed"}
	if _, err := client.Update(ctx, late, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := until(ctx, "the change in the cache", func() bool {
		seen, err := maps.Lister().ConfigMaps(s.namespace).Get("late")
		return err == nil && seen.Data["now"] == "changed"
	}); err != nil {
		return err
	}
	if err := client.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "kind=test"}); err != nil {
		return err
	}
	if err := until(ctx, "21 added, 21 deleted", func() bool {
		return added.Load() >= 21 && updated.Load() >= 1 && deleted.Load() >= 21
	}); err != nil {
		return fmt.Errorf("%d added, %d updated, %d deleted: %w", added.Load(), updated.Load(), deleted.Load(), err)
	}
	if _, err := s.client.AppsV1().Deployments(s.namespace).Create(ctx, deployment("web", 2), metav1.CreateOptions{}); err != nil {
		return err
	}
	if err := until(ctx, "two running pods in the cache", func() bool {
		found, _ := pods.Lister().Pods(s.namespace).List(labels.SelectorFromSet(labels.Set{"app": "web"}))
		running := 0
		for _, pod := range found {
			if pod.Status.Phase == corev1.PodRunning {
				running++
			}
		}
		seen, err := deployments.Lister().Deployments(s.namespace).Get("web")
		return running == 2 && err == nil && seen.Status.AvailableReplicas == 2
	}); err != nil {
		return err
	}
	scale, err := s.client.AppsV1().Deployments(s.namespace).GetScale(ctx, "web", metav1.GetOptions{})
	if err != nil {
		return err
	}
	scale.Spec.Replicas = 0
	if _, err := s.client.AppsV1().Deployments(s.namespace).UpdateScale(ctx, "web", scale, metav1.UpdateOptions{}); err != nil {
		return err
	}
	return until(ctx, "no pod in the cache", func() bool {
		found, err := pods.Lister().Pods(s.namespace).List(labels.Everything())
		return err == nil && len(found) == 0
	})
}

func applied(ctx context.Context, s *session) error {
	deployments := s.client.AppsV1().Deployments(s.namespace)
	mine := metav1.ApplyOptions{FieldManager: "mine"}
	labels := map[string]string{"app": "api"}
	wanted := appsapply.Deployment("api", s.namespace).WithSpec(appsapply.DeploymentSpec().
		WithReplicas(0).
		WithSelector(metaapply.LabelSelector().WithMatchLabels(labels)).
		WithTemplate(coreapply.PodTemplateSpec().WithLabels(labels).WithSpec(coreapply.PodSpec().WithContainers(
			coreapply.Container().WithName("main").WithImage("cuddle.local/host").
				WithEnv(coreapply.EnvVar().WithName("A").WithValue("1"), coreapply.EnvVar().WithName("B").WithValue("2"))))))
	first, err := deployments.Apply(ctx, wanted, mine)
	if err != nil {
		return err
	}
	again, err := deployments.Apply(ctx, wanted, mine)
	if err != nil || again.Generation != first.Generation {
		return fmt.Errorf("applying twice: generation %d, then %d, %v", first.Generation, again.Generation, err)
	}
	extracted, err := appsapply.ExtractDeployment(again, "mine")
	if err != nil || !equality.Semantic.DeepEqual(extracted.Spec, wanted.Spec) {
		got, _ := json.Marshal(extracted)
		return fmt.Errorf("extracted %s, %v", got, err)
	}
	other := appsapply.Deployment("api", s.namespace).WithSpec(appsapply.DeploymentSpec().WithReplicas(1))
	if _, err := deployments.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "other"}); !apierrors.IsConflict(err) {
		return fmt.Errorf("an owned field: %v", err)
	}
	if _, err := deployments.Apply(ctx, other, metav1.ApplyOptions{FieldManager: "other", Force: true}); err != nil {
		return err
	}
	wanted.Spec.Replicas = nil
	wanted.Spec.Template.Spec.Containers[0].Env = wanted.Spec.Template.Spec.Containers[0].Env[:1]
	left, err := deployments.Apply(ctx, wanted, mine)
	if err != nil {
		return err
	}
	if env := left.Spec.Template.Spec.Containers[0].Env; len(env) != 1 || env[0].Name != "A" || *left.Spec.Replicas != 1 {
		return fmt.Errorf("after giving up fields: %d replicas, %v", *left.Spec.Replicas, env)
	}
	return nil
}

func paged(ctx context.Context, s *session) error {
	secrets := s.client.CoreV1().Secrets(s.namespace)
	for i := range 25 {
		if _, err := secrets.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("s-%02d", i)},
			StringData: map[string]string{"n": fmt.Sprint(i)}}, metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	page, err := secrets.List(ctx, metav1.ListOptions{Limit: 10})
	if err != nil || len(page.Items) != 10 || page.Continue == "" || page.RemainingItemCount == nil || *page.RemainingItemCount != 15 {
		return fmt.Errorf("first page: %d, remaining %v, %v", len(page.Items), page.RemainingItemCount, err)
	}
	seen := 0
	pages := pager.New(pager.SimplePageFunc(func(options metav1.ListOptions) (result runtime.Object, err error) {
		return secrets.List(ctx, options)
	}))
	pages.PageSize = 7
	if err := pages.EachListItem(ctx, metav1.ListOptions{}, func(object runtime.Object) error {
		if secret := object.(*corev1.Secret); string(secret.Data["n"]) != fmt.Sprint(seen) {
			return fmt.Errorf("item %d is %s", seen, secret.Name)
		}
		seen++
		return nil
	}); err != nil || seen != 25 {
		return fmt.Errorf("%d seen, %w", seen, err)
	}
	return nil
}

func dynamically(ctx context.Context, s *session) error {
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discovery.NewDiscoveryClientForConfigOrDie(s.config)))
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: "batch", Kind: "CronJob"})
	if err != nil {
		return err
	}
	client := dynamic.NewForConfigOrDie(s.config).Resource(mapping.Resource).Namespace(s.namespace)
	watcher, err := client.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=tick"})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	_, err = client.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "CronJob", "metadata": map[string]any{"name": "tick"},
		"spec": map[string]any{"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": map[string]any{"spec": map[string]any{"template": map[string]any{
			"spec": map[string]any{"restartPolicy": "Never", "containers": []any{map[string]any{"name": "c", "image": "cuddle.local/host"}}}}}}},
	}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	select {
	case event := <-watcher.ResultChan():
		object, ok := event.Object.(*unstructured.Unstructured)
		policy, _, _ := unstructured.NestedString(object.Object, "spec", "concurrencyPolicy")
		if !ok || event.Type != "ADDED" || object.GetName() != "tick" || policy != "Allow" {
			return fmt.Errorf("first event: %+v", event)
		}
	case <-time.After(20 * time.Second):
		return fmt.Errorf("no event")
	}
	_, err = client.Create(ctx, &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "batch/v1", "kind": "CronJob", "metadata": map[string]any{"name": "typo"}, "spec": map[string]any{"shedule": "x"},
	}}, metav1.CreateOptions{FieldValidation: "Strict"})
	if !apierrors.IsBadRequest(err) && !apierrors.IsInvalid(err) {
		return fmt.Errorf("an unknown field, strictly: %v", err)
	}
	return nil
}

func metadataOnly(ctx context.Context, s *session) error {
	if _, err := s.client.CoreV1().ConfigMaps(s.namespace).Create(ctx, configMap("big", map[string]string{"k": "v"}), metav1.CreateOptions{}); err != nil {
		return err
	}
	client := metadata.NewForConfigOrDie(s.config).Resource(corev1.SchemeGroupVersion.WithResource("configmaps")).Namespace(s.namespace)
	one, err := client.Get(ctx, "big", metav1.GetOptions{})
	if err != nil || one.Labels["kind"] != "test" {
		return fmt.Errorf("%+v, %v", one, err)
	}
	list, err := client.List(ctx, metav1.ListOptions{LabelSelector: "kind=test"})
	if err != nil || len(list.Items) != 1 {
		return fmt.Errorf("%+v, %v", list, err)
	}
	return client.Delete(ctx, "big", metav1.DeleteOptions{})
}

func events(ctx context.Context, s *session) error {
	owner, err := s.client.CoreV1().ConfigMaps(s.namespace).Create(ctx, configMap("owner", nil), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	broadcaster := record.NewBroadcaster()
	defer broadcaster.Shutdown()
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: s.client.CoreV1().Events(s.namespace)})
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "client-go"})
	for range 3 {
		recorder.Eventf(owner, corev1.EventTypeWarning, "Tested", "the %s one", "same")
	}
	return until(ctx, "one event, counted three times", func() bool {
		list, err := s.client.CoreV1().Events(s.namespace).Search(scheme.Scheme, owner)
		return err == nil && len(list.Items) == 1 && list.Items[0].Count == 3 && list.Items[0].Reason == "Tested"
	})
}

func elections(ctx context.Context, s *session) error {
	run := func(ctx context.Context, identity string) (leading chan struct{}, ended chan struct{}) {
		leading, ended = make(chan struct{}), make(chan struct{})
		lock, err := resourcelock.New(resourcelock.LeasesResourceLock, s.namespace, "leader", s.client.CoreV1(), s.client.CoordinationV1(),
			resourcelock.ResourceLockConfig{Identity: identity})
		if err != nil {
			panic(err)
		}
		go func() {
			defer close(ended)
			leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
				Lock: lock, ReleaseOnCancel: true, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 200 * time.Millisecond,
				Callbacks: leaderelection.LeaderCallbacks{
					OnStartedLeading: func(context.Context) { close(leading) },
					OnStoppedLeading: func() {},
				},
			})
		}()
		return leading, ended
	}
	firstContext, stopFirst := context.WithCancel(ctx)
	defer stopFirst()
	first, firstEnded := run(firstContext, "first")
	if err := receive(first, "first to lead"); err != nil {
		return err
	}
	secondContext, stopSecond := context.WithCancel(ctx)
	defer stopSecond()
	second, secondEnded := run(secondContext, "second")
	// Two renewals, during which the other must wait.
	lease, err := s.client.CoordinationV1().Leases(s.namespace).Get(ctx, "leader", metav1.GetOptions{})
	if err != nil {
		return err
	}
	renewed := lease.Spec.RenewTime
	if err := until(ctx, "the lease renewed", func() bool {
		lease, err = s.client.CoordinationV1().Leases(s.namespace).Get(ctx, "leader", metav1.GetOptions{})
		return err == nil && lease.Spec.RenewTime.After(renewed.Time.Add(400*time.Millisecond))
	}); err != nil {
		return err
	}
	select {
	case <-second:
		return fmt.Errorf("two leaders at once")
	default:
	}
	stopFirst()
	if err := receive(firstEnded, "first to end"); err != nil {
		return err
	}
	if err := receive(second, "second to lead"); err != nil {
		return err
	}
	if lease, err = s.client.CoordinationV1().Leases(s.namespace).Get(ctx, "leader", metav1.GetOptions{}); err != nil || *lease.Spec.HolderIdentity != "second" {
		return fmt.Errorf("held by %v, %v", lease.Spec.HolderIdentity, err)
	}
	stopSecond()
	return receive(secondEnded, "second to end")
}

func receive(channel chan struct{}, what string) error {
	select {
	case <-channel:
		return nil
	case <-time.After(20 * time.Second):
		return fmt.Errorf("waited in vain for the %s", what)
	}
}
