package clients

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Widget is the test's own kind, as an operator's author would write it.
type Widget struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              WidgetSpec   `json:"spec,omitempty"`
	Status            WidgetStatus `json:"status,omitempty"`
}

type WidgetSpec struct {
	Size  int64  `json:"size"`
	Color string `json:"color,omitempty"`
}

type WidgetStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type WidgetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Widget `json:"items"`
}

func (w *Widget) DeepCopyObject() runtime.Object {
	out := *w
	w.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Status.Conditions = append([]metav1.Condition(nil), w.Status.Conditions...)
	return &out
}

func (l *WidgetList) DeepCopyObject() runtime.Object {
	out := *l
	l.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = nil
	for i := range l.Items {
		out.Items = append(out.Items, *l.Items[i].DeepCopyObject().(*Widget))
	}
	return &out
}

const finalizer = "clients.example.com/cleanup"

// widgetReconciler keeps a ConfigMap for each Widget, says so in its status and cleans up by a finalizer.
type widgetReconciler struct {
	client.Client
	mu      sync.Mutex
	cleaned []string
}

func (r *widgetReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	w := &Widget{}
	if err := r.Get(ctx, request.NamespacedName, w); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !w.DeletionTimestamp.IsZero() {
		if controllerutil.ContainsFinalizer(w, finalizer) {
			r.mu.Lock()
			r.cleaned = append(r.cleaned, w.Name)
			r.mu.Unlock()
			controllerutil.RemoveFinalizer(w, finalizer)
			return ctrl.Result{}, r.Update(ctx, w)
		}
		return ctrl.Result{}, nil
	}
	before := w.DeepCopyObject().(*Widget)
	if controllerutil.AddFinalizer(w, finalizer) {
		if err := r.Patch(ctx, w, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return ctrl.Result{}, err
		}
	}
	child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.Namespace, Name: w.Name}}
	if _, err := controllerutil.CreateOrUpdate(ctx, r.Client, child, func() error {
		child.Data = map[string]string{"size": fmt.Sprint(w.Spec.Size), "color": w.Spec.Color}
		return controllerutil.SetControllerReference(w, child, r.Scheme())
	}); err != nil {
		return ctrl.Result{}, err
	}
	changed := meta.SetStatusCondition(&w.Status.Conditions, metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "Made", ObservedGeneration: w.Generation,
	})
	if w.Status.ObservedGeneration == w.Generation && !changed {
		return ctrl.Result{}, nil
	}
	w.Status.ObservedGeneration = w.Generation
	return ctrl.Result{}, r.Status().Update(ctx, w)
}

func TestController(t *testing.T) {
	c, _ := config(t)
	resource, ns, ctx := definition(t, c), namespace(t, c), within(t)

	types := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(types); err != nil {
		t.Fatal(err)
	}
	version := schema.GroupVersion{Group: resource.Group, Version: "v1"}
	types.AddKnownTypes(version, &Widget{}, &WidgetList{})
	metav1.AddToGroupVersion(types, version)

	manager, err := ctrl.NewManager(c, ctrl.Options{
		Scheme:           types,
		Metrics:          metricsserver.Options{BindAddress: "0"},
		Cache:            cache.Options{DefaultNamespaces: map[string]cache.Config{ns: {}}},
		LeaderElection:   os.Getenv("CLIENTS_CUSTOM_ONLY") == "",
		LeaderElectionID: "widgets.clients.example.com", LeaderElectionNamespace: ns,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	reconciler := &widgetReconciler{Client: manager.GetClient()}
	if err := ctrl.NewControllerManagedBy(manager).For(&Widget{}).Owns(&corev1.ConfigMap{}).Complete(reconciler); err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- manager.Start(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-stopped; err != nil {
			t.Errorf("manager: %v", err)
		}
	})

	direct, err := client.New(c, client.Options{Scheme: types}) // reads past the manager's cache
	if err != nil {
		t.Fatal(err)
	}
	w := &Widget{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "one"}, Spec: WidgetSpec{Size: 3, Color: "grey"}}
	if err := direct.Create(ctx, w); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKeyFromObject(w)
	reconciled := func(generation int64, size string) {
		t.Helper()
		eventually(t, "reconciled", func() string {
			if err := direct.Get(ctx, key, w); err != nil {
				return err.Error()
			}
			child := &corev1.ConfigMap{}
			if err := direct.Get(ctx, key, child); err != nil {
				return err.Error()
			}
			if w.Status.ObservedGeneration != generation || !meta.IsStatusConditionTrue(w.Status.Conditions, "Ready") {
				return fmt.Sprintf("generation %d, status %v", w.Generation, w.Status)
			}
			if child.Data["size"] != size || child.Data["color"] != "grey" || !metav1.IsControlledBy(child, w) {
				return fmt.Sprint(child)
			}
			return ""
		})
	}
	reconciled(1, "3")
	if w.Generation != 1 || !controllerutil.ContainsFinalizer(w, finalizer) {
		t.Errorf("status and finalizer must not count as a generation: %v", w)
	}

	before := w.DeepCopyObject().(*Widget)
	w.Spec.Size = 5
	if err := direct.Patch(ctx, w, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	reconciled(2, "5")

	// A child that somebody deletes comes back: the controller watches what it owns.
	child := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "one"}}
	if err := direct.Get(ctx, key, child); err != nil {
		t.Fatal(err)
	}
	gone := child.UID
	if err := direct.Delete(ctx, child); err != nil {
		t.Fatal(err)
	}
	eventually(t, "child is back", func() string {
		if err := direct.Get(ctx, key, child); err != nil {
			return err.Error()
		}
		if child.UID == gone {
			return "it is still the old one"
		}
		return ""
	})

	if err := direct.Delete(ctx, w); err != nil {
		t.Fatal(err)
	}
	eventually(t, "cleaned up", func() string {
		if err := direct.Get(ctx, key, w); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("widget: %v, %v", w.Finalizers, err)
		}
		return ""
	})
	reconciler.mu.Lock()
	defer reconciler.mu.Unlock()
	if len(reconciler.cleaned) != 1 {
		t.Errorf("the finalizer ran for %v", reconciler.cleaned)
	}
	eventually(t, "owned object collected", func() string {
		if err := direct.Get(ctx, key, child); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("child: %v, %v", child.OwnerReferences, err)
		}
		return ""
	})
}
