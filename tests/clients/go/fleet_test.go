package clients

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	fleetv1 "example.com/watchd/clients/api/v1"
)

// customOnly says that the server has custom resources alone, none of the built-in kinds.
func customOnly() bool { return os.Getenv("CLIENTS_CUSTOM_ONLY") != "" }

func fleetScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	types := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(types); err != nil {
		t.Fatal(err)
	}
	if err := fleetv1.AddToScheme(types); err != nil {
		t.Fatal(err)
	}
	return types
}

// fleets installs the definitions as the suites of operators do, and returns a client of them.
func fleets(t *testing.T, c *rest.Config) client.Client {
	t.Helper()
	file := filepath.Join(t.TempDir(), "crds.yaml")
	if err := os.WriteFile(file, fleetv1.Manifests, 0o600); err != nil {
		t.Fatal(err)
	}
	options := envtest.CRDInstallOptions{Paths: []string{file}, ErrorIfPathMissing: true, PollInterval: poll, MaxTime: patience}
	installed, err := envtest.InstallCRDs(withType(c, runtime.ContentTypeJSON), options)
	if err != nil {
		t.Fatalf("install CRDs: %v", err)
	}
	if len(installed) != 2 {
		t.Fatalf("installed: %v", installed)
	}
	direct, err := client.New(c, client.Options{Scheme: fleetScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		release(direct)
		if err := envtest.UninstallCRDs(withType(c, runtime.ContentTypeJSON), options); err != nil {
			t.Errorf("uninstall CRDs: %v", err)
		}
		eventually(t, "CRDs gone", func() string { // the next test installs them anew
			found := &unstructured.Unstructured{}
			found.SetAPIVersion("apiextensions.k8s.io/v1")
			found.SetKind("CustomResourceDefinition")
			for _, crd := range installed {
				if err := direct.Get(context.Background(), client.ObjectKey{Name: crd.Name}, found); !apierrors.IsNotFound(err) {
					return fmt.Sprintf("%s: %v", crd.Name, err)
				}
			}
			return ""
		})
	})
	return direct
}

// release takes the finalizers off what a failed test has left: its operator is gone and gives none up.
func release(direct client.Client) {
	ctx := context.Background()
	list := &metav1.PartialObjectMetadataList{}
	for _, kind := range []string{"FleetList", "ShipList"} {
		list.SetGroupVersionKind(fleetv1.GroupVersion.WithKind(kind))
		_ = direct.List(ctx, list)
		for i := range list.Items {
			if len(list.Items[i].Finalizers) > 0 {
				_ = direct.Patch(ctx, &list.Items[i], client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
			}
		}
	}
}

func fleet(ns, name string) *fleetv1.Fleet {
	return &fleetv1.Fleet{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: fleetv1.FleetSpec{Hull: "steel"}}
}

// causes are those of an error, as "field: type".
func causes(err error) []string {
	var out []string
	status, ok := err.(apierrors.APIStatus)
	if !ok || status.Status().Details == nil {
		return out
	}
	for _, cause := range status.Status().Details.Causes {
		out = append(out, cause.Field+": "+string(cause.Type))
	}
	return out
}

// unchecked is the cause that says that rules have not been run, since the object was wrong without them.
const unchecked = "<nil>: FieldValueInvalid"

func expectCauses(t *testing.T, err error, want ...string) {
	t.Helper()
	if !apierrors.IsInvalid(err) {
		t.Errorf("%v: not Invalid", err)
	}
	got := causes(err) // the order is that of a map in some servers
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("causes %q of %v, expected %q", got, err, want)
	}
}

// A typed kind's schema: defaults, pruning, validation with the causes that errors carry, CEL rules.
func TestFleetSchema(t *testing.T) {
	c, _ := config(t)
	warnings := &warned{}
	c.WarningHandler = warnings
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)

	one := fleet(ns, "one")
	one.Spec.Holds = []fleetv1.Hold{{Name: "a"}, {Name: "a", Deck: "upper"}}
	one.Spec.Parameters = &runtime.RawExtension{Raw: []byte(`{"any":{"thing":[1,null]}}`)}
	one.Spec.Spare = new(intstr.FromString("10%"))
	if err := direct.Create(ctx, one); err != nil {
		t.Fatal(err)
	}
	if one.Spec.Replicas == nil || *one.Spec.Replicas != 1 || *one.Spec.Crew != (fleetv1.Crew{Min: 1, Max: 5}) || one.Spec.Holds[0].Deck != "main" {
		t.Errorf("defaults: %+v", one.Spec)
	}
	if got := string(one.Spec.Parameters.Raw); got != `{"any":{"thing":[1,null]}}` || one.Spec.Spare.StrVal != "10%" {
		t.Errorf("kept: %s, %v", got, one.Spec.Spare)
	}

	wrong := fleet(ns, "wrong")
	wrong.Spec.Replicas = new(int32(21))
	wrong.Spec.Hull = "paper"
	wrong.Spec.Holds = []fleetv1.Hold{{Name: "Bad", Tons: -1}, {Name: "b"}, {Name: "b"}}
	wrong.Spec.Flags = []string{"x", "x"}
	wrong.Spec.Spare = new(intstr.FromString("ten"))
	expectCauses(t, direct.Create(ctx, wrong),
		"spec.holds[0].name: FieldValueInvalid", "spec.holds[0].tons: FieldValueInvalid", "spec.hull: FieldValueNotSupported",
		"spec.replicas: FieldValueInvalid", "spec.spare: FieldValueInvalid",
		"spec.flags[1]: FieldValueDuplicate", "spec.holds[2]: FieldValueDuplicate", unchecked)
	wrong = fleet(ns, "wrong")
	wrong.Spec.Hull = ""
	expectCauses(t, direct.Create(ctx, wrong), "spec.hull: FieldValueRequired", unchecked)

	wrong = fleet(ns, "wrong")
	wrong.Spec.Crew = &fleetv1.Crew{Min: 9, Max: 3}
	err := direct.Create(ctx, wrong)
	expectCauses(t, err, "spec.crew.min: FieldValueInvalid")
	if err == nil || !strings.Contains(err.Error(), "no crew is small and larger") {
		t.Errorf("messageExpression: %v", err)
	}
	one.Spec.Hull = "wood"
	err = direct.Update(ctx, one)
	expectCauses(t, err, "spec.hull: FieldValueInvalid")
	if err == nil || !strings.Contains(err.Error(), "the hull cannot be changed") {
		t.Errorf("transition rule: %v", err)
	}

	unknown := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": fleetv1.GroupVersion.String(), "kind": "Fleet",
		"metadata": map[string]any{"namespace": ns, "name": "unknown"},
		"spec":     map[string]any{"hull": "wood", "sails": int64(3), "crew": map[string]any{"cook": "yes"}},
	}}
	strict := client.WithFieldValidation(direct, client.FieldValidation(metav1.FieldValidationStrict))
	err = strict.Create(ctx, unknown.DeepCopy())
	if !apierrors.IsBadRequest(err) ||
		!strings.Contains(err.Error(), `unknown field "spec.crew.cook", unknown field "spec.sails"`) {
		t.Errorf("strict: %v", err)
	}
	warnings.take()
	if err := direct.Create(ctx, unknown); err != nil {
		t.Fatal(err)
	}
	if got := warnings.take(); !slices.Equal(got, []string{`unknown field "spec.crew.cook"`, `unknown field "spec.sails"`}) {
		t.Errorf("warnings: %q", got)
	}
	if _, there, _ := unstructured.NestedFieldNoCopy(unknown.Object, "spec", "sails"); there {
		t.Errorf("not pruned: %v", unknown.Object)
	}
	quiet := client.WithFieldValidation(direct, client.FieldValidation(metav1.FieldValidationIgnore))
	if err := quiet.Patch(ctx, unknown, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"sails":4}}`))); err != nil {
		t.Error(err)
	}
	if got := warnings.take(); len(got) != 0 {
		t.Errorf("warnings with Ignore: %q", got)
	}

	// A selectable field of the definition's own.
	list := &fleetv1.FleetList{}
	if err := direct.List(ctx, list, client.InNamespace(ns), client.MatchingFields{"spec.hull": "wood"}); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 || list.Items[0].Name != "unknown" {
		t.Errorf("selected by spec.hull: %v", list.Items)
	}
	err = direct.List(ctx, list, client.InNamespace(ns), client.MatchingFields{"spec.replicas": "1"})
	if !apierrors.IsBadRequest(err) {
		t.Errorf("selected by a field that is not selectable: %v", err)
	}
}

// warned keeps the warnings that answers carried.
type warned struct {
	mu   sync.Mutex
	said []string
}

func (w *warned) HandleWarningHeader(code int, _ string, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, text)
}

func (w *warned) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.said
	w.said = nil
	return out
}

// Every patch of controller-runtime, and the helpers that are made of them.
func TestFleetPatches(t *testing.T) {
	c, _ := config(t)
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)
	one := fleet(ns, "one")
	if err := direct.Create(ctx, one); err != nil {
		t.Fatal(err)
	}

	stale := one.DeepCopy()
	before := one.DeepCopy()
	one.Spec.Notes = map[string]string{"a": "1"}
	if err := direct.Patch(ctx, one, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	if one.Generation != 2 || one.Spec.Notes["a"] != "1" {
		t.Errorf("merge patch: %+v", one)
	}
	changed := stale.DeepCopy()
	changed.Spec.Notes = map[string]string{"b": "1"}
	lock := client.MergeFromWithOptions(stale, client.MergeFromWithOptimisticLock{})
	if err := direct.Patch(ctx, changed, lock); !apierrors.IsConflict(err) {
		t.Errorf("optimistic lock of a stale object: %v", err)
	}
	changed = one.DeepCopy()
	changed.Spec.Notes["b"] = "2"
	lock = client.MergeFromWithOptions(one, client.MergeFromWithOptimisticLock{})
	if err := direct.Patch(ctx, changed, lock); err != nil || changed.Generation != 3 {
		t.Errorf("optimistic lock: %v, %v", changed, err)
	}
	one = changed

	steps := `[{"op":"test","path":"/spec/notes/a","value":"1"},{"op":"remove","path":"/spec/notes/a"},{"op":"add","path":"/spec/flags","value":["red"]}]`
	if err := direct.Patch(ctx, one, client.RawPatch(types.JSONPatchType, []byte(steps))); err != nil {
		t.Fatal(err)
	}
	if _, there := one.Spec.Notes["a"]; there || !slices.Equal(one.Spec.Flags, []string{"red"}) {
		t.Errorf("JSON patch: %+v", one.Spec)
	}
	if err := direct.Patch(ctx, one.DeepCopy(), client.RawPatch(types.JSONPatchType, []byte(steps))); !apierrors.IsInvalid(err) {
		t.Errorf("JSON patch whose test fails: %v", err)
	}
	if err := direct.Patch(ctx, one.DeepCopy(), client.StrategicMergeFrom(stale)); !apierrors.IsUnsupportedMediaType(err) {
		t.Errorf("strategic merge patch: %v", err)
	}
	expectCauses(t, direct.Patch(ctx, one.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":-1}}`))),
		"spec.replicas: FieldValueInvalid", ".spec.replicas: FieldValueInvalid") // the schema's, and that of scale

	// The status is its subresource's, the spec is not.
	generation := one.Generation
	before = one.DeepCopy()
	one.Status.Ships, one.Spec.Notes["sneaky"] = 3, "yes"
	if err := direct.Status().Patch(ctx, one, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
	if one.Status.Ships != 3 || one.Spec.Notes["sneaky"] != "" || one.Generation != generation {
		t.Errorf("status patch: %+v", one)
	}
	one.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "Perhaps", Reason: "R", LastTransitionTime: metav1.Now()}}
	expectCauses(t, direct.Status().Update(ctx, one.DeepCopy()), "status.conditions[0].status: FieldValueNotSupported", unchecked)
	one.Status.Conditions[0].Status = metav1.ConditionTrue
	if err := direct.Status().Update(ctx, one); err != nil || one.Generation != generation {
		t.Errorf("status update: %+v, %v", one, err)
	}
	one.Status.Conditions = nil
	if err := direct.Update(ctx, one); err != nil || len(one.Status.Conditions) != 1 {
		t.Errorf("an update let the status go: %+v, %v", one.Status, err)
	}

	two := fleet(ns, "two")
	outcomes := []controllerutil.OperationResult{}
	for _, mutate := range []func(){
		func() { two.Spec.Hull, two.Spec.Flags = "wood", []string{"blue"} },
		func() {},
		func() { two.Spec.Flags = []string{"blue", "green"} },
		func() { two.Status.Ships = 1 },
		func() { two.Status.Ships, two.Spec.Flags = 2, nil },
	} {
		outcome, err := controllerutil.CreateOrPatch(ctx, direct, two, func() error { mutate(); return nil })
		if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, outcome)
	}
	want := []controllerutil.OperationResult{"created", "unchanged", "updated", "updatedStatusOnly", "updatedStatus"}
	if !slices.Equal(outcomes, want) || two.Status.Ships != 2 || two.Spec.Flags != nil || two.Generation != 3 {
		t.Errorf("CreateOrPatch: %v, %+v", outcomes, two)
	}
	outcomes = nil
	for range 2 {
		outcome, err := controllerutil.CreateOrUpdate(ctx, direct, two, func() error { two.Spec.Notes = map[string]string{"c": "3"}; return nil })
		if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, outcome)
	}
	if !slices.Equal(outcomes, []controllerutil.OperationResult{"updated", "unchanged"}) {
		t.Errorf("CreateOrUpdate: %v", outcomes)
	}

	dry := client.NewDryRunClient(direct)
	dried := two.DeepCopy()
	dried.Spec.Replicas = new(int32(9))
	if err := dry.Update(ctx, dried); err != nil || *dried.Spec.Replicas != 9 || dried.Generation != 5 {
		t.Errorf("dry run: %+v, %v", dried, err)
	}
	if err := dry.Delete(ctx, two.DeepCopy()); err != nil {
		t.Error(err)
	}
	if err := direct.Get(ctx, client.ObjectKeyFromObject(two), two); err != nil || *two.Spec.Replicas != 1 || two.Generation != 4 {
		t.Errorf("after a dry run: %+v, %v", two, err)
	}
	if err := direct.DeleteAllOf(ctx, &fleetv1.Fleet{}, client.InNamespace(ns), client.MatchingFields{"spec.hull": "wood"}); err != nil {
		t.Fatal(err)
	}
	list := &fleetv1.FleetList{}
	if err := direct.List(ctx, list, client.InNamespace(ns)); err != nil || len(list.Items) != 1 || list.Items[0].Name != "one" {
		t.Errorf("left: %v, %v", list.Items, err)
	}
}
