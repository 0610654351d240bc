package clients

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/event"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	fleetv1 "example.com/watchd/clients/api/v1"
)

const fleetOfShip = "spec.fleet"

// fleetReconciler keeps each fleet's ships by server-side apply, a register of them in a ConfigMap, and its status.
type fleetReconciler struct {
	client.Client
	register bool
	mu       sync.Mutex
	scrapped []string
}

func (r *fleetReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	f := &fleetv1.Fleet{}
	if err := r.Get(ctx, request.NamespacedName, f); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !f.DeletionTimestamp.IsZero() {
		if !controllerutil.ContainsFinalizer(f, finalizer) {
			return ctrl.Result{}, nil
		}
		r.mu.Lock()
		r.scrapped = append(r.scrapped, f.Name)
		r.mu.Unlock()
		controllerutil.RemoveFinalizer(f, finalizer)
		return ctrl.Result{}, r.Update(ctx, f)
	}
	before := f.DeepCopy()
	if controllerutil.AddFinalizer(f, finalizer) {
		if err := r.Patch(ctx, f, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
			return ctrl.Result{}, err
		}
	}
	wanted := map[string]bool{}
	for number := range *f.Spec.Replicas {
		name := fmt.Sprintf("%s-%d", f.Name, number)
		wanted[name] = true
		apply := fleetv1.ApplyShip(f.Namespace, name, f)
		apply.Labels = map[string]string{"fleet": f.Name}
		apply.Spec = &fleetv1.ShipSpecApply{Fleet: &f.Name, Hull: &f.Spec.Hull}
		if err := r.Apply(ctx, apply, client.FieldOwner("fleet-controller"), client.ForceOwnership); err != nil {
			return ctrl.Result{}, err
		}
	}
	ships := &fleetv1.ShipList{}
	if err := r.List(ctx, ships, client.InNamespace(f.Namespace), client.MatchingFields{fleetOfShip: f.Name}); err != nil {
		return ctrl.Result{}, err
	}
	var afloat int32
	for i := range ships.Items {
		if ship := &ships.Items[i]; !wanted[ship.Name] {
			if err := r.Delete(ctx, ship, client.Preconditions{UID: &ship.UID}); client.IgnoreNotFound(err) != nil {
				return ctrl.Result{}, err
			}
		} else if ship.Status.Afloat {
			afloat++
		}
	}
	if r.register {
		register := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: f.Namespace, Name: f.Name}}
		if _, err := controllerutil.CreateOrPatch(ctx, r.Client, register, func() error {
			register.Data = map[string]string{"ships": fmt.Sprint(*f.Spec.Replicas), "hull": f.Spec.Hull}
			return controllerutil.SetControllerReference(f, register, r.Scheme())
		}); err != nil {
			return ctrl.Result{}, err
		}
	}
	status := f.DeepCopy().Status
	ready := metav1.Condition{Type: "Ready", Status: metav1.ConditionFalse, Reason: "Waiting", ObservedGeneration: f.Generation}
	if afloat == *f.Spec.Replicas {
		ready.Status, ready.Reason = metav1.ConditionTrue, "Afloat"
	}
	meta.SetStatusCondition(&status.Conditions, ready)
	status.ObservedGeneration, status.Ships, status.Ready = f.Generation, *f.Spec.Replicas, afloat
	status.Selector = "fleet=" + f.Name
	if equality.Semantic.DeepEqual(status, f.Status) {
		return ctrl.Result{}, nil
	}
	f.Status = status
	return ctrl.Result{}, r.Status().Update(ctx, f)
}

// An operator as its author would write it, from the install of its definitions to the collection of what it owned.
func TestFleetOperator(t *testing.T) {
	c, w := config(t)
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)
	manager, err := ctrl.NewManager(c, ctrl.Options{
		Scheme:  direct.Scheme(),
		Metrics: metricsserver.Options{BindAddress: "0"},
		Cache:   cache.Options{DefaultNamespaces: map[string]cache.Config{ns: {}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	indexed := func(object client.Object) []string { return []string{object.(*fleetv1.Ship).Spec.Fleet} }
	if err := manager.GetFieldIndexer().IndexField(ctx, &fleetv1.Ship{}, fleetOfShip, indexed); err != nil {
		t.Fatal(err)
	}
	reconciler := &fleetReconciler{Client: manager.GetClient(), register: !customOnly()}
	// Of its ships only those matter that come, go, or begin to float.
	floats := predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		return e.ObjectOld.(*fleetv1.Ship).Status != e.ObjectNew.(*fleetv1.Ship).Status
	}}
	building := ctrl.NewControllerManagedBy(manager).
		For(&fleetv1.Fleet{}, builder.WithPredicates(predicate.Or(predicate.GenerationChangedPredicate{}, predicate.AnnotationChangedPredicate{}))).
		Owns(&fleetv1.Ship{}, builder.WithPredicates(floats))
	if reconciler.register {
		building = building.Owns(&corev1.ConfigMap{}, builder.OnlyMetadata)
	}
	if err := building.Complete(reconciler); err != nil {
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

	one := fleet(ns, "one")
	if err := direct.Create(ctx, one); err != nil {
		t.Fatal(err)
	}
	key := client.ObjectKeyFromObject(one)
	ships := &fleetv1.ShipList{}
	becomes := func(what string, generation int64, ready metav1.ConditionStatus, names ...string) {
		t.Helper()
		eventually(t, what, func() string {
			if err := direct.Get(ctx, key, one); err != nil {
				return err.Error()
			}
			if err := direct.List(ctx, ships, client.InNamespace(ns), client.MatchingLabels{"fleet": "one"}); err != nil {
				return err.Error()
			}
			var found []string
			for _, ship := range ships.Items {
				found = append(found, ship.Name)
				if !metav1.IsControlledBy(&ship, one) || ship.Spec.Hull != one.Spec.Hull {
					return fmt.Sprint(ship)
				}
			}
			if one.Status.ObservedGeneration != generation || !meta.IsStatusConditionPresentAndEqual(one.Status.Conditions, "Ready", ready) {
				return fmt.Sprintf("generation %d, status %+v", one.Generation, one.Status)
			}
			if !slices.Equal(found, names) {
				return fmt.Sprintf("ships %q", found)
			}
			if !reconciler.register {
				return ""
			}
			register := &corev1.ConfigMap{}
			if err := direct.Get(ctx, key, register); err != nil {
				return err.Error()
			}
			if register.Data["ships"] != fmt.Sprint(len(names)) || !metav1.IsControlledBy(register, one) {
				return fmt.Sprint(register)
			}
			return ""
		})
	}
	launch := func() {
		t.Helper()
		for i := range ships.Items {
			ship := &ships.Items[i]
			before := ship.DeepCopy()
			ship.Status.Afloat = true
			if err := direct.Status().Patch(ctx, ship, client.MergeFrom(before), client.FieldOwner("dock")); err != nil {
				t.Fatal(err)
			}
		}
	}
	becomes("one ship by default", 1, metav1.ConditionFalse, "one-0")
	if !controllerutil.ContainsFinalizer(one, finalizer) || one.Generation != 1 {
		t.Errorf("finalizer: %+v", one.ObjectMeta)
	}
	launch()
	becomes("the ship afloat", 1, metav1.ConditionTrue, "one-0")

	// A captain of somebody else's stays over the controller's applies; a hull that somebody repaints does not.
	ship := &ships.Items[0]
	before := ship.DeepCopy()
	ship.Spec.Captain = "Ada"
	if err := direct.Patch(ctx, ship, client.MergeFrom(before), client.FieldOwner("crew")); err != nil {
		t.Fatal(err)
	}
	scale := &autoscalingv1.Scale{}
	if err := direct.SubResource("scale").Get(ctx, one, scale); err != nil {
		t.Fatal(err)
	}
	if scale.Spec.Replicas != 1 || scale.Status.Replicas != 1 || scale.Status.Selector != "fleet=one" {
		t.Errorf("scale: %+v", scale)
	}
	scale.Spec.Replicas = 3
	if err := direct.SubResource("scale").Update(ctx, one, client.WithSubResourceBody(scale)); err != nil {
		t.Fatal(err)
	}
	becomes("three ships", 2, metav1.ConditionFalse, "one-0", "one-1", "one-2")
	launch()
	becomes("three afloat", 2, metav1.ConditionTrue, "one-0", "one-1", "one-2")
	if ships.Items[0].Spec.Captain != "Ada" || ships.Items[1].Spec.Captain != "nobody" {
		t.Errorf("captains: %v", ships.Items)
	}
	if got := managers(&ships.Items[0]); !slices.Equal(got, []string{"crew Update", "dock Update status", "fleet-controller Apply"}) {
		t.Errorf("managers of a ship: %q", got)
	}

	// Fewer again, by a patch.
	fewer := one.DeepCopy()
	fewer.Spec.Replicas = new(int32(1))
	if err := direct.Patch(ctx, fewer, client.MergeFrom(one)); err != nil {
		t.Fatal(err)
	}
	becomes("one ship again", 3, metav1.ConditionTrue, "one-0")

	// One that is sunk comes back.
	sunk := ships.Items[0].UID
	if err := direct.Delete(ctx, &ships.Items[0]); err != nil {
		t.Fatal(err)
	}
	becomes("a new ship", 3, metav1.ConditionFalse, "one-0")
	if ships.Items[0].UID == sunk {
		t.Error("it is still the old one")
	}

	// The applies are what crossed the wire.
	applied := slices.ContainsFunc(w.answered(0), func(e exchange) bool {
		return e.method == "PATCH" && e.contentType == "application/apply-patch+yaml" && e.get("force") == "true" && e.get("fieldManager") == "fleet-controller"
	})
	if !applied {
		t.Error("no apply was sent")
	}

	if err := direct.Delete(ctx, one); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the finalizer given up", func() string {
		if err := direct.Get(ctx, key, one); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("%v, %v", one.Finalizers, err)
		}
		return ""
	})
	reconciler.mu.Lock()
	defer reconciler.mu.Unlock()
	if !slices.Equal(reconciler.scrapped, []string{"one"}) {
		t.Errorf("the finalizer ran for %q", reconciler.scrapped)
	}
	if customOnly() {
		return // such a server collects nothing
	}
	eventually(t, "what it owned collected", func() string {
		if err := direct.List(ctx, ships, client.InNamespace(ns)); err != nil || len(ships.Items) > 0 {
			return fmt.Sprint(ships.Items, err)
		}
		if err := direct.Get(ctx, key, &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("register: %v", err)
		}
		return ""
	})
}

// Foreground deletion keeps the fleet until its ships are gone; orphaning leaves them without an owner.
func TestFleetPropagation(t *testing.T) {
	if customOnly() {
		t.Skip("such a server collects nothing")
	}
	c, _ := config(t)
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)
	for _, name := range []string{"foreground", "orphan"} {
		f := fleet(ns, name)
		if err := direct.Create(ctx, f); err != nil {
			t.Fatal(err)
		}
		apply := fleetv1.ApplyShip(ns, name, f)
		if name == "foreground" {
			apply.Finalizers = []string{finalizer}
		}
		if err := direct.Apply(ctx, apply, client.FieldOwner("test")); err != nil {
			t.Fatal(err)
		}
	}
	ship := &fleetv1.Ship{}
	orphan, foreground := client.ObjectKey{Namespace: ns, Name: "orphan"}, client.ObjectKey{Namespace: ns, Name: "foreground"}
	if err := direct.Delete(ctx, fleet(ns, "orphan"), client.PropagationPolicy(metav1.DeletePropagationOrphan)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "orphaned", func() string {
		if err := direct.Get(ctx, orphan, &fleetv1.Fleet{}); !apierrors.IsNotFound(err) {
			return fmt.Sprintf("fleet: %v", err)
		}
		if err := direct.Get(ctx, orphan, ship); err != nil || len(ship.OwnerReferences) != 0 {
			return fmt.Sprint(ship.OwnerReferences, err)
		}
		return ""
	})
	if err := direct.Delete(ctx, fleet(ns, "foreground"), client.PropagationPolicy(metav1.DeletePropagationForeground)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the ship on its way", func() string {
		if err := direct.Get(ctx, foreground, ship); err != nil || ship.DeletionTimestamp.IsZero() {
			return fmt.Sprint(ship.ObjectMeta, err)
		}
		return ""
	})
	f := &fleetv1.Fleet{}
	if err := direct.Get(ctx, foreground, f); err != nil || !slices.Contains(f.Finalizers, metav1.FinalizerDeleteDependents) {
		t.Errorf("the fleet waits for its ship: %v, %v", f.Finalizers, err)
	}
	before := ship.DeepCopy()
	ship.Finalizers = nil
	if err := direct.Patch(ctx, ship, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both gone", func() string {
		if err := direct.Get(ctx, foreground, f); !apierrors.IsNotFound(err) {
			return fmt.Sprint(f.Finalizers, err)
		}
		return ""
	})
	if err := direct.Get(ctx, foreground, ship); !apierrors.IsNotFound(err) {
		t.Errorf("ship: %v", err)
	}
}
