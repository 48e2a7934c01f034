// A manager on controller-runtime, as kubebuilder scaffolds it: a kind of our own with a status, a finalizer, owned objects, an
// index, events, and leader election. The test that runs it does the rest with kubectl.
package main

import (
	"context"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const finalizer = "example.dev/farewell"

// Greeting becomes a ConfigMap with the words in it.
type Greeting struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              GreetingSpec   `json:"spec"`
	Status            GreetingStatus `json:"status,omitempty"`
}

type GreetingSpec struct {
	Name string `json:"name"`
	Word string `json:"word,omitempty"`
}

type GreetingStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Namesakes          int                `json:"namesakes,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type GreetingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Greeting `json:"items"`
}

func (g *Greeting) DeepCopyObject() runtime.Object {
	copied := *g
	copied.ObjectMeta = *g.ObjectMeta.DeepCopy()
	copied.Status.Conditions = append([]metav1.Condition(nil), g.Status.Conditions...)
	return &copied
}

func (l *GreetingList) DeepCopyObject() runtime.Object {
	copied := *l
	copied.Items = nil
	for i := range l.Items {
		copied.Items = append(copied.Items, *l.Items[i].DeepCopyObject().(*Greeting))
	}
	return &copied
}

type reconciler struct {
	client.Client
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var greeting Greeting
	if err := r.Get(ctx, request.NamespacedName, &greeting); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !greeting.DeletionTimestamp.IsZero() {
		farewell := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: greeting.Name + "-farewell", Namespace: greeting.Namespace}}
		if _, err := controllerutil.CreateOrUpdate(ctx, r.Client, farewell, func() error {
			farewell.Data = map[string]string{"text": "goodbye, " + greeting.Spec.Name}
			return nil
		}); err != nil {
			return ctrl.Result{}, err
		}
		if controllerutil.RemoveFinalizer(&greeting, finalizer) {
			return ctrl.Result{}, r.Update(ctx, &greeting)
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(&greeting, finalizer) {
		return ctrl.Result{}, r.Update(ctx, &greeting)
	}
	words := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: greeting.Name, Namespace: greeting.Namespace}}
	if _, err := controllerutil.CreateOrUpdate(ctx, r.Client, words, func() error {
		words.Data = map[string]string{"text": greeting.Spec.Word + ", " + greeting.Spec.Name}
		return controllerutil.SetControllerReference(&greeting, words, r.Scheme())
	}); err != nil {
		return ctrl.Result{}, err
	}
	var namesakes GreetingList
	if err := r.List(ctx, &namesakes, client.InNamespace(greeting.Namespace), client.MatchingFields{"spec.name": greeting.Spec.Name}); err != nil {
		return ctrl.Result{}, err
	}
	before := greeting.DeepCopyObject().(*Greeting)
	greeting.Status.ObservedGeneration = greeting.Generation
	greeting.Status.Namesakes = len(namesakes.Items)
	meta.SetStatusCondition(&greeting.Status.Conditions, metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "Written", ObservedGeneration: greeting.Generation,
	})
	return ctrl.Result{}, r.Status().Patch(ctx, &greeting, client.MergeFrom(before))
}

func main() {
	ctrl.SetLogger(zap.New(zap.WriteTo(os.Stderr)))
	groupVersion := schema.GroupVersion{Group: "example.dev", Version: "v1"}
	scheme := runtime.NewScheme()
	must(clientgoscheme.AddToScheme(scheme))
	scheme.AddKnownTypes(groupVersion, &Greeting{}, &GreetingList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
	renew, lease, retry := 10*time.Second, 15*time.Second, 500*time.Millisecond
	manager, err := ctrl.NewManager(ctrl.GetConfigOrDie(), ctrl.Options{
		Scheme:                        scheme,
		Metrics:                       server.Options{BindAddress: "0"},
		LeaderElection:                true,
		LeaderElectionID:              "greetings.example.dev",
		LeaderElectionNamespace:       "default",
		LeaderElectionReleaseOnCancel: true,
		LeaseDuration:                 &lease,
		RenewDeadline:                 &renew,
		RetryPeriod:                   &retry,
	})
	must(err)
	must(manager.GetFieldIndexer().IndexField(context.Background(), &Greeting{}, "spec.name",
		func(object client.Object) []string { return []string{object.(*Greeting).Spec.Name} }))
	must(ctrl.NewControllerManagedBy(manager).For(&Greeting{}).Owns(&corev1.ConfigMap{}).Complete(&reconciler{manager.GetClient()}))
	must(manager.Start(ctrl.SetupSignalHandler()))
}

func must(err error) {
	if err != nil {
		ctrl.Log.Error(err, "cannot go on")
		os.Exit(1)
	}
}
