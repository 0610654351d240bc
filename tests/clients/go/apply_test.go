package clients

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	fleetv1 "example.com/watchd/clients/api/v1"
)

// The dynamic client's apply, in the run's media type (apply-patch+yaml or +cbor).
func TestDynamicApply(t *testing.T) {
	c, w := config(t)
	fleets(t, c)
	ns, ctx := namespace(t, c), within(t)
	mine := dynamic.NewForConfigOrDie(c).Resource(fleetsResource).Namespace(ns)
	configuration := func(spec map[string]any) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": fleetv1.GroupVersion.String(), "kind": "Fleet",
			"metadata": map[string]any{"name": "one"}, "spec": spec,
		}}
	}
	left := metav1.ApplyOptions{FieldManager: "left"}
	right := metav1.ApplyOptions{FieldManager: "right"}
	forced := metav1.ApplyOptions{FieldManager: "right", Force: true}
	one, err := mine.Apply(ctx, "one", configuration(map[string]any{
		"hull": "wood", "replicas": int64(2), "notes": map[string]any{"l": "1"},
		"holds": []any{map[string]any{"name": "fore", "tons": int64(1)}},
	}), left)
	if err != nil {
		t.Fatal(err)
	}
	if one.GetGeneration() != 1 || !slices.Equal(managers(one), []string{"left Apply"}) {
		t.Errorf("applied: %v", one)
	}
	sent := w.answered(0)
	apply := sent[len(sent)-1]
	want := "application/apply-patch+yaml"
	if strings.HasSuffix(c.ContentType, "cbor") {
		want = "application/apply-patch+cbor"
	}
	if apply.method != "PATCH" || apply.contentType != want || apply.status != 201 || apply.get("fieldManager") != "left" {
		t.Errorf("on the wire: %+v", apply)
	}

	_, err = mine.Apply(ctx, "one", configuration(map[string]any{"hull": "wood", "replicas": int64(3)}), right)
	expectConflict(t, err, ".spec.replicas")
	if err == nil || !strings.Contains(err.Error(), `Apply failed with 1 conflict: conflict with "left": .spec.replicas`) {
		t.Errorf("conflict: %v", err)
	}
	dry := forced
	dry.DryRun = []string{metav1.DryRunAll}
	dried, err := mine.Apply(ctx, "one", configuration(map[string]any{"replicas": int64(3)}), dry)
	if err != nil || !slices.Equal(managers(dried), []string{"left Apply", "right Apply"}) {
		t.Errorf("dry run: %v, %v", dried, err)
	}
	if got, err := mine.Get(ctx, "one", metav1.GetOptions{}); err != nil || got.GetResourceVersion() != one.GetResourceVersion() {
		t.Errorf("after the dry run: %v, %v", got, err)
	}
	one, err = mine.Apply(ctx, "one", configuration(map[string]any{
		"hull": "wood", "replicas": int64(3), "holds": []any{map[string]any{"name": "aft"}},
	}), forced)
	if err != nil {
		t.Fatal(err)
	}
	if got := owned(t, one, "left", "Apply"); slices.Contains(got, ".spec.replicas") || !slices.Contains(got, ".spec.notes.l") {
		t.Errorf("left owns %q", got)
	}
	// The last owner of an item lets it go.
	one, err = mine.Apply(ctx, "one", configuration(map[string]any{"hull": "wood", "notes": map[string]any{"l": "1"}}), left)
	if err != nil {
		t.Fatal(err)
	}
	holds, _, _ := unstructured.NestedSlice(one.Object, "spec", "holds")
	if fmt.Sprint(holds) != fmt.Sprint([]any{map[string]any{"deck": "main", "name": "aft"}}) {
		t.Errorf("holds: %v", holds)
	}
	// What a manager no longer applies, and the schema defaults, is back at its default.
	one, err = mine.Apply(ctx, "one", configuration(map[string]any{"hull": "wood"}), right)
	if replicas, _, _ := unstructured.NestedInt64(one.Object, "spec", "replicas"); err != nil || replicas != 1 {
		t.Errorf("replicas: %v, %v", one, err)
	}

	status := configuration(nil)
	delete(status.Object, "spec")
	status.Object["status"] = map[string]any{"ships": int64(2), "selector": "fleet=one"}
	one, err = mine.ApplyStatus(ctx, "one", status, left)
	if err != nil {
		t.Fatal(err)
	}
	if ships, _, _ := unstructured.NestedInt64(one.Object, "status", "ships"); ships != 2 || !slices.Contains(managers(one), "left Apply status") {
		t.Errorf("status: %v", one)
	}
	_, err = mine.ApplyStatus(ctx, "one", func() *unstructured.Unstructured {
		other := status.DeepCopy()
		_ = unstructured.SetNestedField(other.Object, int64(3), "status", "ships")
		return other
	}(), right)
	expectConflict(t, err, ".status.ships")

	strict := configuration(map[string]any{"hull": "wood", "sails": int64(1)})
	body, err := strict.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	_, err = mine.Patch(ctx, "one", types.ApplyYAMLPatchType, body, metav1.PatchOptions{
		FieldManager: "strict", Force: new(true), FieldValidation: metav1.FieldValidationStrict,
	})
	if !apierrors.IsBadRequest(err) && !apierrors.IsInternalError(err) || !strings.Contains(err.Error(), "spec.sails") {
		t.Errorf("strict apply: %v", err)
	}
	if _, err := mine.Patch(ctx, "one", types.ApplyYAMLPatchType, []byte(`{"kind":"Fleet"}`), metav1.PatchOptions{FieldManager: "x"}); !apierrors.IsBadRequest(err) {
		t.Errorf("apply without apiVersion: %v", err)
	}
	if _, err := mine.Patch(ctx, "one", types.MergePatchType, []byte(`{}`), metav1.PatchOptions{Force: new(true)}); !apierrors.IsInvalid(err) {
		t.Errorf("force of another patch: %v", err)
	}
}

// Typed apply configurations on ConfigMaps: shares, conflicts, removal, the move from updates to applies.
func TestApplyConfigMaps(t *testing.T) {
	if customOnly() {
		t.Skip("such a server has no ConfigMaps")
	}
	c, _ := config(t)
	ns, ctx := namespace(t, c), within(t)
	maps := kubernetes.NewForConfigOrDie(c).CoreV1().ConfigMaps(ns)
	left := metav1.ApplyOptions{FieldManager: "left"}
	right := metav1.ApplyOptions{FieldManager: "right"}
	one, err := maps.Apply(ctx, applycorev1.ConfigMap("one", ns).WithLabels(map[string]string{"l": "1"}).WithData(map[string]string{"a": "1", "both": "x"}), left)
	if err != nil {
		t.Fatal(err)
	}
	if got := owned(t, one, "left", "Apply"); !slices.Equal(got, []string{".data.a", ".data.both", ".metadata.labels.l"}) {
		t.Errorf("left owns %q", got)
	}
	if _, err = maps.Apply(ctx, applycorev1.ConfigMap("one", ns).WithData(map[string]string{"b": "2", "both": "x"}), right); err != nil {
		t.Fatal(err)
	}
	_, err = maps.Apply(ctx, applycorev1.ConfigMap("one", ns).WithData(map[string]string{"a": "2", "both": "y"}), right)
	expectConflict(t, err, ".data.a", ".data.both")
	one, err = maps.Apply(ctx, applycorev1.ConfigMap("one", ns).WithData(map[string]string{"a": "1"}), left)
	if err != nil || fmt.Sprint(one.Data) != "map[a:1 b:2 both:x]" || len(one.Labels) != 0 {
		t.Errorf("after less of left: %+v, %v", one, err)
	}
	one, err = maps.Apply(ctx, applycorev1.ConfigMap("one", ns), right)
	if err != nil || fmt.Sprint(one.Data) != "map[a:1]" {
		t.Errorf("after nothing of right: %+v, %v", one, err)
	}
	// Read, extract, change, apply: the round that controllers make.
	extracted, err := applycorev1.ExtractConfigMap(one, "left")
	if err != nil || fmt.Sprint(extracted.Data) != "map[a:1]" || *extracted.Name != "one" {
		t.Fatalf("extracted: %+v, %v", extracted, err)
	}
	one, err = maps.Apply(ctx, extracted.WithData(map[string]string{"c": "3"}).WithImmutable(false), left)
	if err != nil || fmt.Sprint(one.Data) != "map[a:1 c:3]" || *one.Immutable {
		t.Errorf("extracted and applied: %+v, %v", one, err)
	}
	// The same, and then another manager's update.
	same, err := maps.Apply(ctx, applycorev1.ConfigMap("one", ns).WithData(map[string]string{"a": "1", "c": "3"}).WithImmutable(false), left)
	if err != nil || same.ResourceVersion != one.ResourceVersion {
		t.Errorf("the same again: %+v, %v", same, err)
	}
	same.Data["c"], same.Data["d"] = "4", "4"
	updated, err := maps.Update(ctx, same, metav1.UpdateOptions{FieldManager: "hand"})
	if err != nil {
		t.Fatal(err)
	}
	if got := owned(t, updated, "hand", "Update"); !slices.Equal(got, []string{".data.c", ".data.d"}) {
		t.Errorf("hand owns %q", got)
	}
	patched, err := maps.Patch(ctx, "one", types.StrategicMergePatchType, []byte(`{"data":{"d":null}}`), metav1.PatchOptions{FieldManager: "hand"})
	if err != nil {
		t.Fatal(err)
	}
	if got := owned(t, patched, "hand", "Update"); !slices.Equal(got, []string{".data.c"}) {
		t.Errorf("hand owns %q", got)
	}
	if _, err := maps.Apply(ctx, applycorev1.ConfigMap("one", ns).WithData(map[string]string{"a": "1"}).WithResourceVersion(one.ResourceVersion), left); !apierrors.IsConflict(err) {
		t.Errorf("stale: %v", err)
	}
	if _, err := maps.Apply(ctx, applycorev1.ConfigMap("Bad_Name", ns), left); !apierrors.IsInvalid(err) {
		t.Errorf("bad name: %v", err)
	}
	for _, option := range []metav1.CreateOptions{{FieldManager: strings.Repeat("x", 129)}, {FieldManager: "a\nb"}} {
		if _, err := maps.Create(ctx, configMap("named", "1"), option); !apierrors.IsInvalid(err) {
			t.Errorf("field manager %q: %v", option.FieldManager, err)
		}
	}
}

func TestApplySecrets(t *testing.T) {
	if customOnly() {
		t.Skip("such a server has no Secrets")
	}
	c, _ := config(t)
	ns, ctx := namespace(t, c), within(t)
	secrets := kubernetes.NewForConfigOrDie(c).CoreV1().Secrets(ns)
	mine := metav1.ApplyOptions{FieldManager: "mine"}
	one, err := secrets.Apply(ctx, applycorev1.Secret("one", ns).WithType(corev1.SecretTypeOpaque).
		WithData(map[string][]byte{"raw": {0, 255}}).WithStringData(map[string]string{"text": "hello"}), mine)
	if err != nil {
		t.Fatal(err)
	}
	if string(one.Data["raw"]) != "\x00\xff" || string(one.Data["text"]) != "hello" || one.StringData != nil {
		t.Errorf("applied: %v", one)
	}
	_, err = secrets.Apply(ctx, applycorev1.Secret("one", ns).WithData(map[string][]byte{"raw": {1}}), metav1.ApplyOptions{FieldManager: "other"})
	expectConflict(t, err, ".data.raw")
	if _, err := secrets.Apply(ctx, applycorev1.Secret("one", ns).WithType("example.com/other"), metav1.ApplyOptions{FieldManager: "other", Force: true}); !apierrors.IsInvalid(err) {
		t.Errorf("another type: %v", err)
	}
}

// Unknown and duplicate fields, on the writes of built-in kinds.
func TestFieldValidation(t *testing.T) {
	if customOnly() {
		t.Skip("such a server has no ConfigMaps")
	}
	c, _ := config(t)
	warnings := &warned{}
	c.WarningHandler = warnings
	ns, ctx := namespace(t, c), within(t)
	maps := kubernetes.NewForConfigOrDie(c).CoreV1().ConfigMaps(ns)
	raw := kubernetes.NewForConfigOrDie(c).CoreV1().RESTClient()
	post := func(validation, name string) error {
		body := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"` + name + `"},"dta":{},"data":{"a":"1","a":"2"}}`
		return raw.Post().Namespace(ns).Resource("configmaps").Param("fieldValidation", validation).
			SetHeader("Content-Type", "application/json").Body([]byte(body)).Do(ctx).Error()
	}
	err := post("Strict", "one")
	if !apierrors.IsBadRequest(err) || !strings.Contains(err.Error(), `duplicate field "data.a"`) || !strings.Contains(err.Error(), `unknown field "dta"`) {
		t.Errorf("strict: %v", err)
	}
	warnings.take()
	if err := post("Warn", "one"); err != nil {
		t.Error(err)
	}
	got := warnings.take()
	slices.Sort(got)
	if !slices.Equal(got, []string{`duplicate field "data.a"`, `unknown field "dta"`}) {
		t.Errorf("warnings: %q", got)
	}
	if err := post("Ignore", "two"); err != nil || len(warnings.take()) != 0 {
		t.Errorf("ignore: %v", err)
	}
	if err := post("Perhaps", "three"); !apierrors.IsInvalid(err) {
		t.Errorf("no such validation: %v", err)
	}
	_, err = maps.Patch(ctx, "one", types.MergePatchType, []byte(`{"dta":{"x":1}}`), metav1.PatchOptions{FieldValidation: "Strict"})
	if !apierrors.IsBadRequest(err) && !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), `unknown field "dta"`) {
		t.Errorf("strict patch: %v", err)
	}
}
