package v1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applymetav1 "k8s.io/client-go/applyconfigurations/meta/v1"
)

// The apply configurations of both kinds: a field that is nil is one that the manager has no opinion on.

type FleetApply struct {
	applymetav1.TypeMetaApplyConfiguration    `json:",inline"`
	*applymetav1.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`
	Spec                                      *FleetSpecApply   `json:"spec,omitempty"`
	Status                                    *FleetStatusApply `json:"status,omitempty"`
}

type FleetSpecApply struct {
	Replicas *int32            `json:"replicas,omitempty"`
	Hull     *string           `json:"hull,omitempty"`
	Holds    []HoldApply       `json:"holds,omitempty"`
	Flags    []string          `json:"flags,omitempty"`
	Home     *Home             `json:"home,omitempty"`
	Notes    map[string]string `json:"notes,omitempty"`
}

type HoldApply struct {
	Name  *string `json:"name,omitempty"`
	Deck  *string `json:"deck,omitempty"`
	Tons  *int64  `json:"tons,omitempty"`
	Cargo *string `json:"cargo,omitempty"`
}

type FleetStatusApply struct {
	ObservedGeneration *int64                                    `json:"observedGeneration,omitempty"`
	Ships              *int32                                    `json:"ships,omitempty"`
	Conditions         []applymetav1.ConditionApplyConfiguration `json:"conditions,omitempty"`
}

type ShipApply struct {
	applymetav1.TypeMetaApplyConfiguration    `json:",inline"`
	*applymetav1.ObjectMetaApplyConfiguration `json:"metadata,omitempty"`
	Spec                                      *ShipSpecApply   `json:"spec,omitempty"`
	Status                                    *ShipStatusApply `json:"status,omitempty"`
}

type ShipSpecApply struct {
	Fleet   *string `json:"fleet,omitempty"`
	Hull    *string `json:"hull,omitempty"`
	Captain *string `json:"captain,omitempty"`
}

type ShipStatusApply struct {
	Afloat *bool `json:"afloat,omitempty"`
}

// ApplyFleet begins the apply configuration of a fleet.
func ApplyFleet(namespace, name string) *FleetApply {
	return &FleetApply{TypeMetaApplyConfiguration: kind("Fleet"), ObjectMetaApplyConfiguration: named(namespace, name)}
}

// ApplyShip begins the apply configuration of a ship, owned by its fleet.
func ApplyShip(namespace, name string, owner *Fleet) *ShipApply {
	reference := applymetav1.OwnerReference().WithAPIVersion(GroupVersion.String()).WithKind("Fleet").WithName(owner.Name).
		WithUID(owner.UID).WithController(true).WithBlockOwnerDeletion(true)
	metadata := named(namespace, name)
	metadata.OwnerReferences = []applymetav1.OwnerReferenceApplyConfiguration{*reference}
	return &ShipApply{TypeMetaApplyConfiguration: kind("Ship"), ObjectMetaApplyConfiguration: metadata}
}

// Ready is the apply configuration of the condition.
func Ready(status metav1.ConditionStatus, reason string) applymetav1.ConditionApplyConfiguration {
	return *applymetav1.Condition().WithType("Ready").WithStatus(status).WithReason(reason).WithMessage("").
		WithLastTransitionTime(metav1.Now().Rfc3339Copy())
}

func kind(name string) applymetav1.TypeMetaApplyConfiguration {
	return *applymetav1.TypeMeta().WithAPIVersion(GroupVersion.String()).WithKind(name)
}

func named(namespace, name string) *applymetav1.ObjectMetaApplyConfiguration {
	return applymetav1.ObjectMeta().WithNamespace(namespace).WithName(name)
}

func (a FleetApply) IsApplyConfiguration()   {}
func (a *FleetApply) GetKind() *string       { return a.Kind }
func (a *FleetApply) GetAPIVersion() *string { return a.APIVersion }
func (a *FleetApply) GetName() *string       { return a.Name }
func (a *FleetApply) GetNamespace() *string  { return a.Namespace }

func (a ShipApply) IsApplyConfiguration()   {}
func (a *ShipApply) GetKind() *string       { return a.Kind }
func (a *ShipApply) GetAPIVersion() *string { return a.APIVersion }
func (a *ShipApply) GetName() *string       { return a.Name }
func (a *ShipApply) GetNamespace() *string  { return a.Namespace }
