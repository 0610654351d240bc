package clients

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// Two candidates for one Lease: one leads, and the other does once the first lets go.
func TestLeaderElection(t *testing.T) {
	c, _ := config(t)
	ns, ctx := namespace(t, c), within(t)
	client := kubernetes.NewForConfigOrDie(c)

	var mu sync.Mutex
	leading := map[string]bool{}
	leaders := func() (out []string) {
		mu.Lock()
		defer mu.Unlock()
		for name, on := range leading {
			if on {
				out = append(out, name)
			}
		}
		return out
	}
	letGo := map[string]context.CancelFunc{}
	var all sync.WaitGroup
	t.Cleanup(all.Wait)
	for _, identity := range []string{"left", "right"} {
		candidate, cancel := context.WithCancel(ctx)
		letGo[identity] = cancel
		t.Cleanup(cancel)
		elector, err := leaderelection.NewLeaderElector(leaderelection.LeaderElectionConfig{
			Lock: &resourcelock.LeaseLock{
				LeaseMeta:  metav1.ObjectMeta{Namespace: ns, Name: "leader"},
				Client:     client.CoordinationV1(),
				LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
			},
			LeaseDuration: 6 * time.Second, RenewDeadline: 4 * time.Second, RetryPeriod: 200 * time.Millisecond,
			ReleaseOnCancel: true, Name: identity,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) {
					mu.Lock()
					defer mu.Unlock()
					for other, on := range leading {
						if on {
							t.Errorf("%s began to lead while %s led", identity, other)
						}
					}
					leading[identity] = true
				},
				OnStoppedLeading: func() {
					mu.Lock()
					defer mu.Unlock()
					leading[identity] = false
				},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() { elector.Run(candidate) })
	}

	eventually(t, "first leader", func() string {
		if len(leaders()) == 1 {
			return ""
		}
		return fmt.Sprint(leaders())
	})
	first := leaders()[0]
	lease, err := client.CoordinationV1().Leases(ns).Get(ctx, "leader", metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil || *lease.Spec.HolderIdentity != first {
		t.Fatalf("lease: %v, %v; leader %s", lease, err, first)
	}
	letGo[first]()
	eventually(t, "second leader", func() string {
		if now := leaders(); len(now) == 1 && now[0] != first {
			return ""
		}
		return fmt.Sprintf("%v lead after %s let go", leaders(), first)
	})
	lease, err = client.CoordinationV1().Leases(ns).Get(ctx, "leader", metav1.GetOptions{})
	if err != nil || *lease.Spec.HolderIdentity == first || lease.Spec.LeaseTransitions == nil || *lease.Spec.LeaseTransitions < 1 {
		t.Errorf("lease after the handover: %v, %v", lease, err)
	}
}
