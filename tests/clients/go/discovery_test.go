package clients

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/restmapper"
)

func TestDiscovery(t *testing.T) {
	c, w := config(t)
	client := discovery.NewDiscoveryClientForConfigOrDie(c)
	cached := memory.NewMemCacheClient(client)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	resource := definition(t, c)

	version, err := client.ServerVersion()
	if err != nil || version.Major == "" || !strings.HasPrefix(version.GitVersion, "v") {
		t.Errorf("version: %v, %v", version, err)
	}
	kind := schema.GroupKind{Group: resource.Group, Kind: "Widget"}
	eventually(t, "mapping of the new kind", func() string {
		mapper.Reset()
		mapping, err := mapper.RESTMapping(kind, "v1")
		if err != nil {
			return err.Error()
		}
		if mapping.Resource != resource {
			return fmt.Sprint(mapping.Resource)
		}
		return ""
	})
	checkList := func(how string, lists []*metav1.APIResourceList) {
		t.Helper()
		i := slices.IndexFunc(lists, func(l *metav1.APIResourceList) bool { return l.GroupVersion == resource.GroupVersion().String() })
		if i < 0 {
			t.Fatalf("%s: no group %s", how, resource.GroupVersion())
		}
		seen := map[string][]string{}
		for _, r := range lists[i].APIResources {
			seen[r.Name] = r.Verbs
			if r.Kind != "Widget" || !r.Namespaced {
				t.Errorf("%s: %v", how, r)
			}
		}
		for _, verb := range []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"} {
			if !slices.Contains(seen["widgets"], verb) {
				t.Errorf("%s: no verb %s: %v", how, verb, seen)
			}
		}
		if !slices.Contains(seen["widgets/status"], "update") {
			t.Errorf("%s: %v", how, seen)
		}
		if os.Getenv("CLIENTS_CUSTOM_ONLY") == "" && !slices.ContainsFunc(lists, func(l *metav1.APIResourceList) bool {
			return l.GroupVersion == "v1" && slices.ContainsFunc(l.APIResources, func(r metav1.APIResource) bool {
				return r.Name == "configmaps" && slices.Contains(r.ShortNames, "cm")
			})
		}) {
			t.Errorf("%s: no configmaps", how)
		}
	}
	begin := w.mark()
	groups, lists, err := client.ServerGroupsAndResources()
	if err != nil || len(groups) == 0 {
		t.Fatal(groups, err)
	}
	checkList("aggregated", lists)
	if got := len(w.answered(begin)); got > 2 {
		t.Errorf("aggregated discovery took %d requests", got)
	}
	legacy := discovery.NewDiscoveryClientForConfigOrDie(c)
	legacy.UseLegacyDiscovery = true
	_, lists, err = legacy.ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	checkList("legacy", lists)

	paths, err := client.OpenAPIV3().Paths()
	if err != nil {
		t.Fatal(err)
	}
	group, ok := paths["apis/"+resource.GroupVersion().String()]
	if !ok {
		t.Fatalf("no OpenAPI of %s", resource.GroupVersion())
	}
	document, err := group.Schema("application/json")
	if err != nil || !strings.Contains(string(document), `"x-kubernetes-group-version-kind"`) || !strings.Contains(string(document), `"color"`) {
		t.Errorf("OpenAPI: %.300s, %v", document, err)
	}
}
