package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func (in *Fleet) DeepCopyInto(out *Fleet) {
	*out = *in
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	in.Spec.DeepCopyInto(&out.Spec)
	in.Status.DeepCopyInto(&out.Status)
}

func (in *Fleet) DeepCopy() *Fleet {
	if in == nil {
		return nil
	}
	out := new(Fleet)
	in.DeepCopyInto(out)
	return out
}

func (in *Fleet) DeepCopyObject() runtime.Object { return in.DeepCopy() }

func (in *FleetSpec) DeepCopyInto(out *FleetSpec) {
	*out = *in
	out.Replicas = copied(in.Replicas)
	out.Crew = copied(in.Crew)
	out.Holds = append([]Hold(nil), in.Holds...)
	out.Flags = append([]string(nil), in.Flags...)
	out.Spare = copied(in.Spare)
	out.Home = copied(in.Home)
	if in.Parameters != nil {
		out.Parameters = in.Parameters.DeepCopy()
	}
	if in.Notes != nil {
		out.Notes = make(map[string]string, len(in.Notes))
		for key, value := range in.Notes {
			out.Notes[key] = value
		}
	}
}

func (in *FleetStatus) DeepCopyInto(out *FleetStatus) {
	*out = *in
	out.Conditions = nil
	for i := range in.Conditions {
		var condition metav1.Condition
		in.Conditions[i].DeepCopyInto(&condition)
		out.Conditions = append(out.Conditions, condition)
	}
}

func (in *FleetList) DeepCopyObject() runtime.Object {
	out := new(FleetList)
	*out = *in
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]Fleet, len(in.Items))
	for i := range in.Items {
		in.Items[i].DeepCopyInto(&out.Items[i])
	}
	return out
}

func (in *Ship) DeepCopyInto(out *Ship) {
	*out = *in
	in.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
}

func (in *Ship) DeepCopy() *Ship {
	if in == nil {
		return nil
	}
	out := new(Ship)
	in.DeepCopyInto(out)
	return out
}

func (in *Ship) DeepCopyObject() runtime.Object { return in.DeepCopy() }

func (in *ShipList) DeepCopyObject() runtime.Object {
	out := new(ShipList)
	*out = *in
	in.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]Ship, len(in.Items))
	for i := range in.Items {
		in.Items[i].DeepCopyInto(&out.Items[i])
	}
	return out
}

// copied is a new pointer to the same plain value.
func copied[T any](in *T) *T {
	if in == nil {
		return nil
	}
	out := *in
	return &out
}
