package clients

import (
	"slices"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	fleetv1 "example.com/watchd/clients/api/v1"
)

// managers are who owns what of an object, as "name operation subresource".
func managers(object metav1.Object) []string {
	var out []string
	for _, entry := range object.GetManagedFields() {
		line := entry.Manager + " " + string(entry.Operation)
		if entry.Subresource != "" {
			line += " " + entry.Subresource
		}
		out = append(out, line)
	}
	slices.Sort(out)
	return out
}

// owned are the fields that a manager owns by an operation, each as its path.
func owned(t *testing.T, object metav1.Object, manager string, operation metav1.ManagedFieldsOperationType) []string {
	t.Helper()
	var out []string
	for _, entry := range object.GetManagedFields() {
		if entry.Manager != manager || entry.Operation != operation {
			continue
		}
		if entry.FieldsType != "FieldsV1" || (entry.Time.IsZero() && entry.Subresource != "scale") || entry.APIVersion == "" {
			t.Errorf("entry of %s: %+v", manager, entry)
		}
		set := &fieldpath.Set{}
		if err := set.FromJSON(entry.FieldsV1.GetRawReader()); err != nil {
			t.Errorf("fields of %s: %v", manager, err)
		}
		set.Iterate(func(path fieldpath.Path) { out = append(out, path.String()) })
	}
	slices.Sort(out)
	return out
}

func expectConflict(t *testing.T, err error, fields ...string) {
	t.Helper()
	if !apierrors.IsConflict(err) {
		t.Fatalf("%v: not a conflict", err)
	}
	var want []string
	for _, field := range fields {
		want = append(want, field+": "+string(metav1.CauseTypeFieldManagerConflict))
	}
	got := causes(err) // the order is that of a map in some servers
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("causes %q of %v, expected %q", got, err, want)
	}
}

// Two managers apply their share of one object, by controller-runtime's typed apply configurations.
func TestFleetApply(t *testing.T) {
	c, _ := config(t)
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)
	admiral, harbor := client.FieldOwner("admiral"), client.FieldOwner("harbor")

	mine := func() *fleetv1.FleetApply {
		apply := fleetv1.ApplyFleet(ns, "one")
		apply.Labels = map[string]string{"sea": "north"}
		apply.Spec = &fleetv1.FleetSpecApply{
			Replicas: new(int32(2)), Hull: new("steel"), Flags: []string{"red"}, Notes: map[string]string{"a": "1"},
			Home:  &fleetv1.Home{Harbor: "Hull", Berth: 3},
			Holds: []fleetv1.HoldApply{{Name: new("fore"), Deck: new("main"), Tons: new(int64(5))}},
		}
		return apply
	}
	first := mine()
	if err := direct.Apply(ctx, first, admiral); err != nil {
		t.Fatal(err)
	}
	// The answer is read into the configuration.
	if first.UID == nil || first.Generation == nil || *first.Generation != 1 {
		t.Errorf("applied: %+v", first.ObjectMetaApplyConfiguration)
	}
	one := fleet(ns, "one")
	key := client.ObjectKeyFromObject(one)
	get := func() {
		t.Helper()
		*one = fleetv1.Fleet{}
		if err := direct.Get(ctx, key, one); err != nil {
			t.Fatal(err)
		}
	}
	get()
	version := one.ResourceVersion
	if one.Spec.Crew.Max != 5 || !slices.Equal(managers(one), []string{"admiral Apply"}) {
		t.Errorf("applied: %+v", one)
	}
	if got := owned(t, one, "admiral", "Apply"); !slices.Equal(got, []string{
		".metadata.labels.sea", ".spec.flags[=\"red\"]", ".spec.holds[deck=\"main\",name=\"fore\"]",
		".spec.holds[deck=\"main\",name=\"fore\"].deck", ".spec.holds[deck=\"main\",name=\"fore\"].name",
		".spec.holds[deck=\"main\",name=\"fore\"].tons", ".spec.home", ".spec.hull", ".spec.notes.a", ".spec.replicas",
	}) {
		t.Errorf("admiral owns %q", got)
	}
	// The same again changes nothing, not even the revision.
	if err := direct.Apply(ctx, mine(), admiral); err != nil {
		t.Fatal(err)
	}
	get()
	if one.ResourceVersion != version {
		t.Errorf("the same apply made revision %s of %s", one.ResourceVersion, version)
	}

	theirs := func() *fleetv1.FleetApply {
		apply := fleetv1.ApplyFleet(ns, "one")
		apply.Spec = &fleetv1.FleetSpecApply{
			Hull: new("steel"), Flags: []string{"blue", "red"}, Notes: map[string]string{"b": "2"},
			Holds: []fleetv1.HoldApply{{Name: new("aft"), Tons: new(int64(7))}, {Name: new("fore"), Cargo: new("tea")}},
		}
		return apply
	}
	if err := direct.Apply(ctx, theirs(), harbor); err != nil {
		t.Fatal(err)
	}
	get()
	if !slices.Equal(one.Spec.Flags, []string{"red", "blue"}) && !slices.Equal(one.Spec.Flags, []string{"blue", "red"}) {
		t.Errorf("flags: %v", one.Spec.Flags)
	}
	holds := map[string]fleetv1.Hold{}
	for _, hold := range one.Spec.Holds {
		holds[hold.Name] = hold
	}
	if len(holds) != 2 || holds["fore"] != (fleetv1.Hold{Name: "fore", Deck: "main", Tons: 5, Cargo: "tea"}) || holds["aft"].Deck != "main" {
		t.Errorf("holds: %v", one.Spec.Holds)
	}
	if one.Spec.Notes["a"] != "1" || one.Spec.Notes["b"] != "2" {
		t.Errorf("notes: %v", one.Spec.Notes)
	}

	conflicting := theirs()
	conflicting.Spec.Replicas = new(int32(4))
	conflicting.Spec.Home = &fleetv1.Home{Harbor: "Hamburg"}
	conflicting.Spec.Notes["a"] = "one"
	err := direct.Apply(ctx, conflicting, harbor)
	expectConflict(t, err, ".spec.home", ".spec.notes.a", ".spec.replicas")
	get()
	if *one.Spec.Replicas != 2 {
		t.Errorf("a conflict changed %+v", one.Spec)
	}
	conflicting = theirs()
	conflicting.Spec.Replicas = new(int32(4))
	conflicting.Spec.Home = &fleetv1.Home{Harbor: "Hamburg"}
	if err := direct.Apply(ctx, conflicting, harbor, client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	get()
	if *one.Spec.Replicas != 4 || *one.Spec.Home != (fleetv1.Home{Harbor: "Hamburg"}) {
		t.Errorf("forced: %+v", one.Spec)
	}
	if got := owned(t, one, "admiral", "Apply"); slices.Contains(got, ".spec.replicas") || !slices.Contains(got, ".spec.hull") {
		t.Errorf("admiral still owns %q", got)
	}

	// What a manager no longer applies goes, unless another one owns it, too.
	less := fleetv1.ApplyFleet(ns, "one")
	less.Spec = &fleetv1.FleetSpecApply{Hull: new("steel")}
	if err := direct.Apply(ctx, less, admiral); err != nil {
		t.Fatal(err)
	}
	get()
	if one.Labels["sea"] != "" || one.Spec.Notes["a"] != "" || one.Spec.Notes["b"] != "2" || !slices.Contains(one.Spec.Flags, "red") || *one.Spec.Replicas != 4 {
		t.Errorf("after less: labels %v, %+v", one.Labels, one.Spec)
	}
	for _, hold := range one.Spec.Holds {
		if hold.Name == "fore" && (hold.Tons != 0 || hold.Cargo != "tea") {
			t.Errorf("after less: %v", hold)
		}
	}

	// An update by another manager takes a field over; the applier meets a conflict until it forces.
	one.Spec.Notes["b"] = "two"
	if err := direct.Update(ctx, one, client.FieldOwner("hand")); err != nil {
		t.Fatal(err)
	}
	if got := managers(one); !slices.Equal(got, []string{"admiral Apply", "hand Update", "harbor Apply"}) {
		t.Errorf("managers: %q", got)
	}
	again := theirs()
	again.Spec.Replicas, again.Spec.Home = new(int32(4)), &fleetv1.Home{Harbor: "Hamburg"}
	expectConflict(t, direct.Apply(ctx, again, harbor), ".spec.notes.b")
	if err := direct.Apply(ctx, again, harbor, client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	get()
	if got := managers(one); !slices.Equal(got, []string{"admiral Apply", "harbor Apply"}) || one.Spec.Notes["b"] != "2" {
		t.Errorf("managers: %q, notes %v", got, one.Spec.Notes)
	}

	// A stale resourceVersion in a configuration is a conflict of the other sort.
	held := theirs()
	held.ResourceVersion = &version
	if err := direct.Apply(ctx, held, harbor, client.ForceOwnership); !apierrors.IsConflict(err) || len(causes(err)) != 0 {
		t.Errorf("stale apply: %v", err)
	}
	wrong := theirs()
	wrong.Spec.Replicas = new(int32(99))
	expectCauses(t, direct.Apply(ctx, wrong, harbor, client.ForceOwnership), "spec.replicas: FieldValueInvalid")
	if err := direct.Apply(ctx, theirs()); err == nil {
		t.Error("an apply without a field manager succeeded")
	}
}

// The status is applied through its subresource; managers of conditions share the list.
func TestFleetApplyStatus(t *testing.T) {
	c, _ := config(t)
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)
	one := fleet(ns, "one")
	if err := direct.Create(ctx, one, client.FieldOwner("maker")); err != nil {
		t.Fatal(err)
	}
	apply := fleetv1.ApplyFleet(ns, "one")
	apply.Status = &fleetv1.FleetStatusApply{
		Ships: new(int32(3)), ObservedGeneration: new(int64(1)),
		Conditions: []applymetav1.ConditionApplyConfiguration{fleetv1.Ready(metav1.ConditionTrue, "Made")},
	}
	if err := direct.Status().Apply(ctx, apply, client.FieldOwner("controller"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	other := fleetv1.Ready(metav1.ConditionFalse, "Calm")
	other.Type = new("Sailing")
	theirs := fleetv1.ApplyFleet(ns, "one")
	theirs.Status = &fleetv1.FleetStatusApply{Conditions: []applymetav1.ConditionApplyConfiguration{other}}
	if err := direct.Status().Apply(ctx, theirs, client.FieldOwner("weather")); err != nil {
		t.Fatal(err)
	}
	if err := direct.Get(ctx, client.ObjectKeyFromObject(one), one); err != nil {
		t.Fatal(err)
	}
	if one.Status.Ships != 3 || len(one.Status.Conditions) != 2 || one.Generation != 1 {
		t.Errorf("status: %+v", one.Status)
	}
	want := []string{"controller Apply status", "maker Update", "weather Apply status"}
	if got := managers(one); !slices.Equal(got, want) {
		t.Errorf("managers: %q", got)
	}
	// Through the main resource the status of a configuration is left out.
	apply = fleetv1.ApplyFleet(ns, "one")
	apply.Spec = &fleetv1.FleetSpecApply{Replicas: new(int32(2))}
	apply.Status = &fleetv1.FleetStatusApply{Ships: new(int32(9))}
	if err := direct.Apply(ctx, apply, client.FieldOwner("controller"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	if err := direct.Get(ctx, client.ObjectKeyFromObject(one), one); err != nil || one.Status.Ships != 3 || *one.Spec.Replicas != 2 {
		t.Errorf("status by the main resource: %+v, %v", one, err)
	}
	if got := owned(t, one, "maker", "Update"); slices.Contains(got, ".spec.replicas") || !slices.Contains(got, ".spec.hull") {
		t.Errorf("maker owns %q", got)
	}
}

// The older ways to apply: a patch of the type, and an unstructured configuration.
func TestFleetApplyOlder(t *testing.T) {
	c, _ := config(t)
	direct, ns, ctx := fleets(t, c), namespace(t, c), within(t)
	one := fleet(ns, "one")
	one.SetGroupVersionKind(fleetv1.GroupVersion.WithKind("Fleet"))
	//nolint:staticcheck // deprecated, and what most operators still call
	if err := direct.Patch(ctx, one, client.Apply, client.FieldOwner("old"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	if one.Generation != 1 || *one.Spec.Replicas != 1 || !slices.Equal(managers(one), []string{"old Apply"}) {
		t.Errorf("applied: %+v", one)
	}
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": fleetv1.GroupVersion.String(), "kind": "Fleet",
		"metadata": map[string]any{"namespace": ns, "name": "one"},
		"spec":     map[string]any{"replicas": int64(6)},
	}}
	if err := direct.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("new")); err != nil {
		t.Fatal(err)
	}
	if got := managers(object); !slices.Equal(got, []string{"new Apply", "old Apply"}) || object.GetGeneration() != 2 {
		t.Errorf("applied: %v", object)
	}
	// managedFields can be taken away by an update, as documented; the next write begins them anew.
	if err := direct.Get(ctx, client.ObjectKeyFromObject(one), one); err != nil {
		t.Fatal(err)
	}
	before := one.DeepCopy()
	one.ManagedFields = []metav1.ManagedFieldsEntry{{}}
	if err := direct.Patch(ctx, one, client.MergeFrom(before)); err != nil || len(one.ManagedFields) != 0 {
		t.Errorf("managedFields taken away: %v, %v", one.ManagedFields, err)
	}
	// A create names its manager after the client's program.
	two := fleet(ns, "two")
	if err := direct.Create(ctx, two); err != nil || !slices.Equal(managers(two), []string{"clients.test Update"}) {
		t.Errorf("managers: %q, %v", managers(two), err)
	}
}
