// Plays scenarios of updates and applies against apimachinery's FieldManager and prints what came of each step.
//
// `go run . < scenarios.json > expected.jsonl`: a line of results for each scenario. generate.py makes the scenarios: steps on
// one object of a kind with versions v1 and v2, between which spec.size and spec.width are one field.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

type object = map[string]interface{}

type step struct {
	Op          string `json:"op"`
	Manager     string `json:"manager"`
	Version     string `json:"version"`
	Subresource string `json:"subresource"`
	Force       bool   `json:"force"`
	Types       int    `json:"types"` // of input.Schemas; -1: none, all types are deduced
	Object      object `json:"object"`
}

type scenario struct {
	Steps []step `json:"steps"`
}

type input struct {
	Schemas   []map[string]*spec.Schema `json:"schemas"`
	Scenarios []scenario                `json:"scenarios"`
}

type result struct {
	Error  string               `json:"error,omitempty"`
	Causes []metav1.StatusCause `json:"causes,omitempty"`
	Object object               `json:"object,omitempty"`
}

const group = "test.example.com"

type machinery struct{}

func (machinery) ConvertToVersion(in runtime.Object, gv runtime.GroupVersioner) (runtime.Object, error) {
	u := in.(*unstructured.Unstructured).DeepCopy()
	target := gv.(schema.GroupVersion)
	from := u.GroupVersionKind().Version
	if from != target.Version {
		if s, ok := u.Object["spec"].(object); ok {
			names := [2]string{"size", "width"}
			if from == "v2" {
				names = [2]string{"width", "size"}
			}
			if v, ok := s[names[0]]; ok {
				s[names[1]] = v
				delete(s, names[0])
			}
		}
		u.SetAPIVersion(target.String())
	}
	return u, nil
}
func (machinery) Convert(in, out, context interface{}) error { return fmt.Errorf("not used") }
func (machinery) ConvertFieldLabel(gvk schema.GroupVersionKind, label, value string) (string, string, error) {
	return label, value, nil
}
func (machinery) Default(in runtime.Object) {}
func (machinery) New(kind schema.GroupVersionKind) (runtime.Object, error) {
	u := &unstructured.Unstructured{}
	u.SetGroupVersionKind(kind)
	return u, nil
}

func gvk(version string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: group, Version: version, Kind: "Thing"}
}

func manager(types managedfields.TypeConverter, version, subresource string) *managedfields.FieldManager {
	reset := fieldpath.NewSet(fieldpath.MakePathOrDie("status"))
	if subresource == "status" {
		reset = fieldpath.NewSet(fieldpath.MakePathOrDie("metadata"), fieldpath.MakePathOrDie("spec"))
	}
	filters := map[fieldpath.APIVersion]*fieldpath.Set{}
	for _, v := range []string{"v1", "v2"} {
		filters[fieldpath.APIVersion(gvk(v).GroupVersion().String())] = reset
	}
	m, err := managedfields.NewDefaultCRDFieldManager(types, machinery{}, machinery{}, machinery{}, gvk(version),
		gvk("v1").GroupVersion(), subresource, fieldpath.NewExcludeFilterSetMap(filters))
	if err != nil {
		panic(err)
	}
	return m
}

func play(all []managedfields.TypeConverter, s scenario) []result {
	var live *unstructured.Unstructured
	out := []result{}
	for _, st := range s.Steps {
		kind := gvk(st.Version)
		before, _ := machinery{}.New(kind)
		if live != nil {
			before, _ = machinery{}.ConvertToVersion(live, kind.GroupVersion())
		}
		types := managedfields.NewDeducedTypeConverter()
		if st.Types >= 0 {
			types = all[st.Types]
		}
		m := manager(types, st.Version, st.Subresource)
		sent := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(st.Object)}
		var after runtime.Object
		var err error
		if st.Op == "apply" {
			after, err = m.Apply(before, sent, st.Manager, st.Force)
		} else {
			// As request handlers do: where types do not fit, managedFields stay as they are.
			after = m.UpdateNoErrors(before, sent, st.Manager)
		}
		r := result{}
		if err != nil {
			r.Error = err.Error()
			if status, ok := err.(*errors.StatusError); ok && status.ErrStatus.Details != nil {
				r.Causes = status.ErrStatus.Details.Causes
			}
		} else {
			after, _ = machinery{}.ConvertToVersion(after, kind.GroupVersion())
			live = after.(*unstructured.Unstructured).DeepCopy()
			live.SetUID("uid")
			shown := live.DeepCopy()
			entries := shown.GetManagedFields()
			for i := range entries {
				if entries[i].Time != nil {
					entries[i].Time = &metav1.Time{}
					*entries[i].Time = metav1.Unix(1700000000, 0)
				}
			}
			shown.SetManagedFields(entries)
			r.Object = shown.Object
		}
		out = append(out, r)
	}
	return out
}

func main() {
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	all := []managedfields.TypeConverter{}
	for _, schemas := range in.Schemas {
		types, err := managedfields.NewTypeConverter(schemas, false)
		if err != nil {
			panic(err)
		}
		all = append(all, types)
	}
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	for _, s := range in.Scenarios {
		for j := range s.Steps {
			// Whole numbers are integers, as apimachinery's own decoder has them.
			s.Steps[j].Object = whole(s.Steps[j].Object).(object)
		}
		if err := enc.Encode(play(all, s)); err != nil {
			panic(err)
		}
	}
}

func whole(v interface{}) interface{} {
	switch t := v.(type) {
	case float64:
		if t == float64(int64(t)) {
			return int64(t)
		}
	case map[string]interface{}:
		for k := range t {
			t[k] = whole(t[k])
		}
	case []interface{}:
		for i := range t {
			t[i] = whole(t[i])
		}
	}
	return v
}
