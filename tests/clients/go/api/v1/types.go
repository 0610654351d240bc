// Package v1 is an API as an operator's author would write it: fleets of ships, with what controller-gen would make of it.
package v1

import (
	_ "embed"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Manifests hold the definitions of both kinds.
//
//go:embed crds.yaml
var Manifests []byte

var GroupVersion = schema.GroupVersion{Group: "fleet.clients.example.com", Version: "v1"}

// AddToScheme makes a scheme know both kinds.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion, &Fleet{}, &FleetList{}, &Ship{}, &ShipList{})
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}

// Fleet keeps a number of ships.
type Fleet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              FleetSpec   `json:"spec,omitempty"`
	Status            FleetStatus `json:"status,omitempty"`
}

type FleetSpec struct {
	Replicas   *int32                `json:"replicas,omitempty"`
	Hull       string                `json:"hull,omitempty"`
	Crew       *Crew                 `json:"crew,omitempty"`
	Holds      []Hold                `json:"holds,omitempty"`
	Flags      []string              `json:"flags,omitempty"`
	Spare      *intstr.IntOrString   `json:"spare,omitempty"`
	Home       *Home                 `json:"home,omitempty"`
	Parameters *runtime.RawExtension `json:"parameters,omitempty"`
	Notes      map[string]string     `json:"notes,omitempty"`
}

// Crew bounds how many sail on each ship.
type Crew struct {
	Min int32 `json:"min,omitempty"`
	Max int32 `json:"max,omitempty"`
}

// Hold is one of a list by name.
type Hold struct {
	Name  string `json:"name"`
	Deck  string `json:"deck,omitempty"`
	Tons  int64  `json:"tons,omitempty"`
	Cargo string `json:"cargo,omitempty"`
}

// Home has one owner: its fields go together.
type Home struct {
	Harbor string `json:"harbor"`
	Berth  int32  `json:"berth,omitempty"`
}

type FleetStatus struct {
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Ships              int32              `json:"ships,omitempty"`
	Ready              int32              `json:"ready,omitempty"`
	Selector           string             `json:"selector,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type FleetList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Fleet `json:"items"`
}

// Ship belongs to a fleet.
type Ship struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              ShipSpec   `json:"spec,omitempty"`
	Status            ShipStatus `json:"status,omitempty"`
}

type ShipSpec struct {
	Fleet   string `json:"fleet,omitempty"`
	Hull    string `json:"hull,omitempty"`
	Captain string `json:"captain,omitempty"`
}

type ShipStatus struct {
	Afloat bool `json:"afloat,omitempty"`
}

type ShipList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Ship `json:"items"`
}
